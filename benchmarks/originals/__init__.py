"""`python -m stc.benchmarks.originals`: the original code of AdelaiDet, CrossVIS and mmdetection beside ours."""
