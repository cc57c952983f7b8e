"""Measuring time so that two numbers can be compared: scenarios, turns, intervals, and what else the machine did."""
