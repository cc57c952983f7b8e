"""What a frame may be beside an array: pictures of Pillow, planes of a decoder."""
