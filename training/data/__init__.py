"""From annotated clips to training pairs: index, views, pairs, composites."""
