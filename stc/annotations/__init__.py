"""Annotated videos as YouTube-VIS and COCO publish them: read and checked, for training and for evaluation."""
