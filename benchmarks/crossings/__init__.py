"""Composites in which annotated objects cross: how often does a model change their ids?"""
