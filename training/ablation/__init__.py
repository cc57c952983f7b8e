"""`python -m stc.training.ablation`: what the parts of STC's learning are worth."""
