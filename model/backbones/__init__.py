"""The backbones: ResNet and EfficientNet-Lite, each from pictures to C2, C3, C4 and C5."""
