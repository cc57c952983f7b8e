"""What every engine of a CPU takes for a frame of one model, with one and two threads: the table of the README."""
