"""`python -m stc.training.ablation`: a fair trial of the two losses that STC is named for."""
