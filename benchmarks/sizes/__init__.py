"""What a model finds by the size of the objects, and what it invents: for a model card."""
