"""The translator of PTX knows what it knows."""

from __future__ import annotations

import pytest

from tests.plugins.ptx.translate import UnknownFormError, translate

HEAD = ".visible .entry k(\n.param .u64 k_param_0\n)\n{\n.reg .f32 %f<3>;\n.reg .b64 %rd<3>;\n"


@pytest.mark.parametrize(
    "instruction",
    [
        *("sin.approx.f32 %f1, %f2;", "fma.rz.f32 %f1, %f2, %f2, %f2;", "add.sat.f32 %f1, %f1, %f2;"),
        *("ld.global.nc.f32 %f1, [%rd1];", "mov.f32 %f1, %laneid;", "setp.lt.and.f32 %p1, %f1, %f2, %p2;"),
        *("cvt.rz.f32.s32 %f1, %r1;", "bra.weird L1;", "shfl.sync.bfly.b32 %f1, %f2, 1, 31, -1;"),
    ],
)
def test_an_unknown_form_is_an_error_and_no_guess(instruction: str) -> None:
    with pytest.raises(UnknownFormError):
        translate(f"{HEAD}{instruction}\nret;\n}}")


def test_a_wider_register_takes_the_sign() -> None:
    source, _, _ = translate(f"{HEAD}ld.param.s32 %rd1, [k_param_0];\nret;\n}}")
    assert "int32_t v[1]" in source and "r_rd1.s64 = v[0];" in source
