"""The op in standard ONNX operators: what runs where neither our plugin nor our native kernel is present."""

from __future__ import annotations

from onnx import FunctionProto
from onnx.parser import parse_function

from stc.runtime.mask_head_op import DOMAIN, OP, layer_channels, part_sizes

__all__ = ["DOMAIN", "OP", "OP_VERSION", "PLUGIN_ATTRIBUTES", "function_body"]

OP_VERSION = 1
# On the node beside the op's own attributes: with them TensorRT's parser takes a registered plugin of that name instead
# of the function body, without being asked to. Everything else passes over them.
PLUGIN_ATTRIBUTES = {"plugin_version": str(OP_VERSION), "plugin_namespace": DOMAIN}


def function_body(channels: int, layers: int, upsample: int, opset: int) -> FunctionProto:
    """Model-local function `stc::DynamicMaskHead` for a given number of channels and layers and a given upsampling.

    Layers and upsampling are unrolled, so these three are fixed in the body; `stride` is read from the node. Arithmetic
    is float32 whatever the storage type; the result has the type of `mask_feats`. It states the same function as
    `stc.model.mask_head.dynamic_mask_head`: batched MatMul for the layers (a grouped convolution cannot have a dynamic
    group count), slices and weighted sums for the upsampling (which is also why a NaN or Inf stays local).
    """
    shapes = layer_channels(channels, layers)
    weights = [f"weight{layer}" for layer in range(layers)]
    biases = [f"bias{layer}" for layer in range(layers)]
    text = f"""
    <domain: "{DOMAIN}", opset_import: ["" : {opset}]>
    {OP} <channels, layers, stride, upsample> (mask_feats, params, locations, sizes, count) => (masks)
    {{
        {_PROLOGUE}
        part_sizes = Constant <value_ints = [{", ".join(map(str, part_sizes(channels, layers)))}]> ()
        {", ".join(weights + biases)} = Split <axis: int = 2> (all_params, part_sizes)
        {_first_layer(channels)}
        {"".join(_layer(layer, *shapes[layer]) for layer in range(1, layers))}
        grid_shape = Concat <axis: int = 0> (b, k, h, w)
        logits = Reshape (x{layers - 1}, grid_shape)
        factor = Constant <value: tensor = int64[1] {{{upsample}}}> ()
        tall_h = Mul (h, factor)
        wide_w = Mul (w, factor)
        tall_shape = Concat <axis: int = 0> (b, k, tall_h, w)
        wide_shape = Concat <axis: int = 0> (b, k, tall_h, wide_w)
        {_upsample("logits", "tall", axis=2, factor=upsample)}
        {_upsample("tall", "wide", axis=3, factor=upsample)}
        {_EPILOGUE}
    }}
    """
    return parse_function(text)


_PROLOGUE = """
        i0 = Constant <value: tensor = int64 {0}> ()
        i1 = Constant <value: tensor = int64 {1}> ()
        v0 = Constant <value: tensor = int64[1] {0}> ()
        v1 = Constant <value: tensor = int64[1] {1}> ()
        v2 = Constant <value: tensor = int64[1] {2}> ()
        v3 = Constant <value: tensor = int64[1] {3}> ()
        features = Cast <to: int = 1> (mask_feats)
        all_params = Cast <to: int = 1> (params)
        points = Cast <to: int = 1> (locations)
        scales = Cast <to: int = 1> (sizes)
        b = Shape <start: int = 0, end: int = 1> (features)
        k = Shape <start: int = 1, end: int = 2> (params)
        h = Shape <start: int = 2, end: int = 3> (features)
        w = Shape <start: int = 3, end: int = 4> (features)
        hw = Mul (h, w)
        h_scalar = Squeeze (h, v0)
        w_scalar = Squeeze (w, v0)
        k_scalar = Squeeze (k, v0)
        step = Constant <value_int: int = @stride> ()
        two = Constant <value: tensor = int64 {2}> ()
        half_step = Div (step, two)

        columns = Range (i0, w_scalar, i1)
        rows = Range (i0, h_scalar, i1)
        column_steps = Mul (columns, step)
        row_steps = Mul (rows, step)
        column_points = Add (column_steps, half_step)
        row_points = Add (row_steps, half_step)
        column_floats = Cast <to: int = 1> (column_points)
        row_floats = Cast <to: int = 1> (row_points)
        row_column = Unsqueeze (row_floats, v1)
        plane_shape = Concat <axis: int = 0> (h, w)
        plane_x = Expand (column_floats, plane_shape)
        plane_y = Expand (row_column, plane_shape)
        flat_shape = Concat <axis: int = 0> (v1, v1, hw)
        flat_x = Reshape (plane_x, flat_shape)
        flat_y = Reshape (plane_y, flat_shape)
        flat_grid = Concat <axis: int = 1> (flat_x, flat_y)
        minus_grid = Neg (flat_grid)
        batch_shape = Concat <axis: int = 0> (b, v2, hw)
        batch_grid = Expand (minus_grid, batch_shape)
        minus_one = Constant <value: tensor = int64[1] {-1}> ()
        feature_shape = Concat <axis: int = 0> (b, minus_one, hw)
        flat_features = Reshape (features, feature_shape)
        stacked = Concat <axis: int = 1> (batch_grid, flat_features)
"""

_EPILOGUE = """
        probabilities = Sigmoid (wide)
        slots = Range (i0, k_scalar, i1)
        counts = Cast <to: int = 7> (count)
        count_column = Unsqueeze (counts, v1)
        valid = Less (slots, count_column)
        v23 = Constant <value: tensor = int64[2] {2, 3}> ()
        valid_rows = Unsqueeze (valid, v23)
        nothing = Constant <value: tensor = float {0.0}> ()
        selected = Where (valid_rows, probabilities, nothing)
        masks = CastLike (selected, mask_feats)
"""


def _first_layer(channels: int) -> str:
    """The layer that sees relative coordinates: an affine map of the constant grid, in float32."""
    return f"""
        matrix_shape0 = Constant <value_ints = [0, 0, {channels}, {channels + 2}]> ()
        matrix0 = Reshape (weight0, matrix_shape0)
        end = Constant <value: tensor = int64[1] {{{channels + 2}}}> ()
        raw_xy = Slice (matrix0, v0, v2, v3)
        rest = Slice (matrix0, v2, end, v3)
        scale_shape = Concat <axis: int = 0> (b, k, v1, v1)
        scale = Reshape (scales, scale_shape)
        weight_xy = Div (raw_xy, scale)
        point_shape = Concat <axis: int = 0> (b, k, v1, v2)
        point = Reshape (points, point_shape)
        point_terms = Mul (weight_xy, point)
        point_sum = ReduceSum <keepdims: int = 0> (point_terms, v3)
        offset = Add (point_sum, bias0)
        offset_column = Unsqueeze (offset, v3)
        joined = Concat <axis: int = 3> (weight_xy, rest)
        channel = Constant <value: tensor = int64[1] {{{channels}}}> ()
        all_rows = Mul (k, channel)
        joined_shape = Concat <axis: int = 0> (b, all_rows, end)
        joined_rows = Reshape (joined, joined_shape)
        product0 = MatMul (joined_rows, stacked)
        layer_shape = Concat <axis: int = 0> (b, k, channel, hw)
        hidden0 = Reshape (product0, layer_shape)
        x0 = Add (hidden0, offset_column)
    """


def _layer(layer: int, inputs: int, outputs: int) -> str:
    return f"""
        active{layer} = Relu (x{layer - 1})
        matrix_shape{layer} = Constant <value_ints = [0, 0, {outputs}, {inputs}]> ()
        matrix{layer} = Reshape (weight{layer}, matrix_shape{layer})
        product{layer} = MatMul (matrix{layer}, active{layer})
        bias_column{layer} = Unsqueeze (bias{layer}, v3)
        x{layer} = Add (product{layer}, bias_column{layer})
    """


def _upsample(source: str, target: str, axis: int, factor: int) -> str:
    """`aligned_bilinear` along one axis, in closed form (see stc.model.layers)."""
    if factor == 1:
        return f"{target} = Identity ({source})"
    steps = "".join(
        f"""
        {target}_own{step} = Constant <value: tensor = float {{{1 - step / factor}}}> ()
        {target}_other{step} = Constant <value: tensor = float {{{step / factor}}}> ()
        {target}_near{step} = Mul ({source}, {target}_own{step})
        {target}_far{step} = Mul ({target}_following, {target}_other{step})
        {target}_ramp{step} = Add ({target}_near{step}, {target}_far{step})
        {target}_column{step} = Unsqueeze ({target}_ramp{step}, {target}_inner)"""
        for step in range(1, factor)
    )
    columns = ", ".join(f"{target}_column{step}" for step in range(factor))
    before = ", ".join([f"{target}_first"] * (factor // 2))
    return f"""
        {target}_inner = Constant <value: tensor = int64[1] {{{axis + 1}}}> ()
        {target}_axis = Constant <value: tensor = int64[1] {{{axis}}}> ()
        {target}_end = Constant <value: tensor = int64[1] {{{2**31 - 1}}}> ()
        {target}_first = Slice ({source}, v0, v1, {target}_axis)
        {target}_last = Slice ({source}, minus_one, {target}_end, {target}_axis)
        {target}_rest = Slice ({source}, v1, {target}_end, {target}_axis)
        {target}_following = Concat <axis: int = {axis}> ({target}_rest, {target}_last)
        {target}_column0 = Unsqueeze ({source}, {target}_inner)
        {steps}
        {target}_columns = Concat <axis: int = {axis + 1}> ({columns})
        {target}_ramps = Reshape ({target}_columns, {target}_shape)
        {target}_cut = Constant <value: tensor = int64[1] {{{-(factor // 2)}}}> ()
        {target}_kept = Slice ({target}_ramps, v0, {target}_cut, {target}_axis)
        {target} = Concat <axis: int = {axis}> ({before}, {target}_kept)
    """
