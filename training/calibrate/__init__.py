"""`python -m stc.training.calibrate`: scores that are the shares of detections that are right."""
