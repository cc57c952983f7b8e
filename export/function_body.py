"""The op in standard ONNX operators: what runs where neither our plugin nor our native kernel is present."""

from __future__ import annotations

from onnx import FunctionProto
from onnx.parser import parse_function

DOMAIN = "stc"
OP = "DynamicMaskHead"
OP_VERSION = 1


def function_body(channels: int, layers: int, opset: int) -> FunctionProto:
    """Model-local function `stc::DynamicMaskHead` for a given number of channels and layers.

    The dynamic layers are unrolled, so `channels` and `layers` are fixed in the body; `stride` and `upsample` are
    read from the node. Arithmetic is float32 whatever the storage type; the result has the type of `mask_feats`. It
    states the same function as `stc.model.mask_head.dynamic_mask_head`: batched MatMul for the layers (a grouped
    convolution cannot have a dynamic group count), gathered neighbours for the upsampling (so that a NaN or Inf stays
    local).
    """
    inputs = [channels + 2, *[channels] * (layers - 1)]
    outputs = [*[channels] * (layers - 1), 1]
    sizes = [i * o for i, o in zip(inputs, outputs, strict=True)] + outputs
    weights = [f"weight{layer}" for layer in range(layers)]
    biases = [f"bias{layer}" for layer in range(layers)]
    text = f"""
    <domain: "{DOMAIN}", opset_import: ["" : {opset}]>
    {OP} <channels, layers, stride, upsample> (mask_feats, params, locations, sizes, count) => (masks)
    {{
        {_PROLOGUE}
        part_sizes = Constant <value_ints = [{", ".join(map(str, sizes))}]> ()
        {", ".join(weights + biases)} = Split <axis: int = 2> (all_params, part_sizes)
        {_first_layer(channels)}
        {"".join(_layer(layer, inputs[layer], outputs[layer]) for layer in range(1, layers))}
        grid_shape = Concat <axis: int = 0> (b, k, h, w)
        logits = Reshape (x{layers - 1}, grid_shape)
        {_upsample("logits", "tall", "h", 2, "-1, 1")}
        {_upsample("tall", "full", "w", 3, "1, -1")}
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
        factor = Constant <value_int: int = @upsample> ()
        two = Constant <value: tensor = int64 {2}> ()
        half_step = Div (step, two)
        half_factor = Div (factor, two)
        factor_float = Cast <to: int = 1> (factor)

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
        probabilities = Sigmoid (full)
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


def _upsample(source: str, target: str, size: str, axis: int, weight_shape: str) -> str:
    """`aligned_bilinear` along one axis, in closed form (see stc.model.aligned_bilinear)."""
    return f"""
        {size}_total = Mul ({size}_scalar, factor)
        {size}_out = Range (i0, {size}_total, i1)
        {size}_shifted = Sub ({size}_out, half_factor)
        {size}_source = Max ({size}_shifted, i0)
        {size}_lower = Div ({size}_source, factor)
        {size}_base = Mul ({size}_lower, factor)
        {size}_rest = Sub ({size}_source, {size}_base)
        {size}_rest_float = Cast <to: int = 1> ({size}_rest)
        {size}_fraction = Div ({size}_rest_float, factor_float)
        {size}_weight_shape = Constant <value_ints = [{weight_shape}]> ()
        {size}_weight = Reshape ({size}_fraction, {size}_weight_shape)
        {size}_one = Constant <value: tensor = float {{1.0}}> ()
        {size}_complement = Sub ({size}_one, {size}_weight)
        {size}_last = Sub ({size}_scalar, i1)
        {size}_upper = Add ({size}_lower, i1)
        {size}_first_index = Min ({size}_lower, {size}_last)
        {size}_second_index = Min ({size}_upper, {size}_last)
        {size}_first = Gather <axis: int = {axis}> ({source}, {size}_first_index)
        {size}_second = Gather <axis: int = {axis}> ({source}, {size}_second_index)
        {size}_near = Mul ({size}_first, {size}_complement)
        {size}_far = Mul ({size}_second, {size}_weight)
        {target} = Add ({size}_near, {size}_far)
    """
