"""`python -m stc.training.shapes`: clips of moving shapes that anyone can make again."""
