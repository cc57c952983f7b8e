"""The forms of PTX instructions that our kernels use, each as one C++ statement. Semantics: "Parallel Thread Execution
ISA", NVIDIA.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

BYTES = {"u8": 1, "b8": 1, "u16": 2, "s16": 2, "b16": 2, "u32": 4, "s32": 4, "b32": 4, "u64": 8, "s64": 8, "b64": 8,
         "f32": 4}  # fmt: skip
C_TYPES = {kind: f"{'u' if kind[0] in 'ub' else ''}int{8 * size}_t" for kind, size in BYTES.items()} | {
    **{"f32": "float", "pred": "bool"}
}
SPECIAL = {
    **{"%tid.x": "t.tid", "%tid.y": "0u", "%tid.z": "0u", "%ntid.x": "t.threads", "%ntid.y": "1u", "%ntid.z": "1u"},
    **{f"%ctaid.{axis}": f"t.block->place[{i}]" for i, axis in enumerate("xyz")},
    **{f"%nctaid.{axis}": f"t.block->grid[{i}]" for i, axis in enumerate("xyz")},
}
COMPARISONS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}
UNORDERED = {"ltu": ">=", "leu": ">", "gtu": "<=", "geu": "<", "neu": "=="}  # not this: true for NaN
WIDER = {"s32": "s64", "u32": "u64"}


@dataclass(frozen=True)
class Operands:
    """The operands of one instruction as C++."""

    texts: list[str]
    places: dict[str, int]
    shared: list[str]

    def value(self, index: int, kind: str) -> str:
        text, type_ = self.texts[index], C_TYPES[kind]
        if text in SPECIAL:
            return f"({type_}){SPECIAL[text]}"
        if re.fullmatch(r"0[fF][0-9A-Fa-f]{8}", text):
            return f"float_of(0x{text[2:]}u)"
        if re.fullmatch(r"-?\d+", text):
            return f"({type_})({text}ll)"
        if text in self.shared and kind[1:] in ("32", "64"):
            return f"({type_})0"  # the one array of dynamic shared memory starts at 0
        if text in self.places and kind[1:] == "64":
            return f"({type_}){self.places[text]}"  # a parameter's address
        return place(text, kind)

    def write(self, kind: str, expression: str) -> str:
        return f"{target(self.texts[0], kind)} = ({C_TYPES[kind]})({expression});"

    def address(self, index: int, space: str) -> str:
        base, offset = re.fullmatch(r"\[\s*([\w$%]+)\s*(?:\+\s*(-?\d+))?\s*\]", self.texts[index]).groups()  # type: ignore[union-attr]
        if space == "param" and base in self.places:
            return f"{self.places[base] + int(offset or 0)}"
        if base in self.shared:
            return offset or "0"
        return f"{place(base, 'u32' if space == 'shared' else 'u64')} + ({offset or 0})"

    def vector(self, index: int) -> list[str]:
        return [part.strip() for part in self.texts[index].strip("{}").split(",")]


def place(register: str, kind: str) -> str:
    """A register as a value of PTX type `kind`."""
    if not re.fullmatch(r"%[a-z]+\d+", register):
        raise ValueError(register)
    return f"r_{register[1:]}.{kind.replace('b', 'u')}"


def target(register: str, kind: str) -> str:
    """A register to write a value of `kind` to: a wider one takes integers extended by their sign, or by zero."""
    return place(register, {"s": "s64", "u": "u64", "b": "u64"}.get(kind[0], kind))


def label(name: str) -> str:
    return "L_" + name.replace("$", "_")


def _unsigned(kind: str) -> str:
    return kind if kind[0] == "f" or kind == "pred" else f"u{kind[1:]}"


def _arithmetic(sign: str) -> Callable[..., str]:
    def form(o: Operands, *forms: str) -> str:
        rounding, kind = forms[:-1], _unsigned(forms[-1])  # integers wrap
        if rounding not in ((), ("rn",)):
            raise ValueError(rounding)
        return o.write(kind, f"{o.value(1, kind)} {sign} {o.value(2, kind)}")

    return form


def _mul(o: Operands, *forms: str) -> str:
    part, kind = forms[0], forms[-1]
    if kind == "f32":
        return _arithmetic("*")(o, *forms)
    if part == "lo":
        return _arithmetic("*")(o, kind)
    wide = WIDER[kind]
    product = f"{o.value(1, wide) if o.texts[1].lstrip('-').isdigit() else f'({C_TYPES[wide]}){o.value(1, kind)}'} * "
    product += f"({C_TYPES[wide]}){o.value(2, kind)}"
    return {"wide": o.write(wide, product), "hi": o.write(kind, f"({product}) >> 32")}[part]


def _mad(o: Operands, part: str, kind: str) -> str:
    if part == "wide":
        wide = WIDER[kind]
        product = f"({C_TYPES[wide]}){o.value(1, kind)} * ({C_TYPES[wide]}){o.value(2, kind)}"
        return o.write(wide, f"{product} + {o.value(3, wide)}")
    kind = {"lo": _unsigned(kind)}[part]
    return o.write(kind, f"{o.value(1, kind)} * {o.value(2, kind)} + {o.value(3, kind)}")


def _fma(o: Operands, rounding: str, kind: str) -> str:
    if (rounding, kind) != ("rn", "f32"):
        raise ValueError(rounding)
    return o.write(kind, f"fmaf({o.value(1, kind)}, {o.value(2, kind)}, {o.value(3, kind)})")


def _div(o: Operands, *forms: str) -> str:
    kind = forms[-1]
    a, b = o.value(1, kind), o.value(2, kind)
    quotient = {("approx", "f32"): f"divided_approximately({a}, {b})"}.get(forms, f"{a} / {b}")
    if forms not in (("approx", "f32"), ("rn", "f32"), ("s32",), ("u32",), ("s64",), ("u64",)):
        raise ValueError(forms)
    return o.write(kind, quotient)


def _ex2(o: Operands, *forms: str) -> str:
    if forms not in (("approx", "f32"), ("approx", "ftz", "f32")):
        raise ValueError(forms)
    return o.write("f32", f"exp2f({o.value(1, 'f32')})")


def _setp(o: Operands, comparison: str, kind: str) -> str:
    a, b = o.value(1, kind), o.value(2, kind)
    if kind == "f32" and comparison == "equ":  # the one that != does not say of NaN
        return o.write("pred", f"!({a} < {b} || {a} > {b})")
    if kind == "f32" and comparison in UNORDERED:
        return o.write("pred", f"!({a} {UNORDERED[comparison]} {b})")
    if kind == "f32" and comparison == "ne":  # ordered: false for NaN
        return o.write("pred", f"{a} < {b} || {a} > {b}")
    return o.write("pred", f"{a} {COMPARISONS[comparison]} {b}")


def _selp(o: Operands, kind: str) -> str:
    return o.write(kind, f"{o.value(3, 'pred')} ? {o.value(1, kind)} : {o.value(2, kind)}")


def _smaller_or_larger(sign: str) -> Callable[..., str]:
    def form(o: Operands, kind: str) -> str:
        if kind[0] == "f":
            raise ValueError(kind)
        return o.write(kind, f"{o.value(1, kind)} {sign} {o.value(2, kind)} ? {o.value(1, kind)} : {o.value(2, kind)}")

    return form


def _shl(o: Operands, kind: str) -> str:
    bits = 8 * BYTES[kind]
    return o.write(kind, f"{o.value(2, 'u32')} >= {bits} ? 0 : {o.value(1, kind)} << {o.value(2, 'u32')}")


def _shr(o: Operands, kind: str) -> str:
    amount, bits = o.value(2, "u32"), 8 * BYTES[kind]
    filled = f"{o.value(1, kind)} >> {bits - 1}" if kind[0] == "s" else "0"
    return o.write(kind, f"{amount} >= {bits} ? {filled} : {o.value(1, kind)} >> {amount}")


def _cvt(o: Operands, *forms: str) -> str:
    to, from_ = forms[-2:]
    if (forms[:-2], to, from_) == (("rn",), "f16", "f32"):
        return o.write("u16", f"half_of({o.value(1, 'f32')})")
    if (forms[:-2], to, from_) == ((), "f32", "f16"):
        return o.write("f32", f"float_of_half({o.value(1, 'u16')})")
    if forms[:-2] not in ((), ("rn",)) or from_[0] == "f" or (to[0] == "f") != bool(forms[:-2]):
        raise ValueError(forms)
    return o.write(to, f"({C_TYPES[to]}){o.value(1, from_)}")


def _mov(o: Operands, kind: str) -> str:
    target, source = o.texts
    if target.startswith("{"):
        parts = o.vector(0)
        bits = 8 * BYTES[kind] // len(parts)
        whole = f"uint64_t whole = {place(source, kind)}; "
        return whole + " ".join(f"{place(part, f'u{bits}')} = whole >> {i * bits};" for i, part in enumerate(parts))
    if source.startswith("{"):
        parts = o.vector(1)
        bits = 8 * BYTES[kind] // len(parts)
        joined = " | ".join(f"((uint64_t){place(part, f'u{bits}')} << {i * bits})" for i, part in enumerate(parts))
        return o.write(kind, f"({C_TYPES[kind]})({joined})")
    return o.write(kind, o.value(1, kind))


def _bits(expression: str) -> Callable[..., str]:
    """An instruction of one operand of 32 bits, `x`."""

    def form(o: Operands, *forms: str) -> str:
        if forms not in (("b32",), ("shiftamt", "u32")):
            raise ValueError(forms)
        return f"uint32_t x = {o.value(1, 'u32')}; " + o.write("u32", expression)

    return form


def _prmt(o: Operands, kind: str) -> str:
    """Bytes of b and a, four selected by the nibbles of c; none with its sign."""
    if kind != "b32" or not re.fullmatch(r"0x[0-7]+U?|\d+", o.texts[3]):
        raise ValueError(o.texts)
    chosen = int(o.texts[3].rstrip("U"), 0)
    if chosen & 0x8888:
        raise ValueError(o.texts)
    pair = f"uint64_t both = (uint64_t){o.value(2, 'u32')} << 32 | {o.value(1, 'u32')}; "
    parts = (f"(both >> {8 * (chosen >> 4 * i & 7)} & 255) << {8 * i}" for i in range(4))
    return pair + o.write("u32", " | ".join(parts))


def _vote(o: Operands, *forms: str) -> str:
    if forms != ("sync", "ballot", "b32"):
        raise ValueError(forms)
    return o.write("u32", f"t.ballot(__LINE__, {o.value(2, 'u32')}, {o.value(1, 'pred')})")


def _ld(o: Operands, space: str, *forms: str) -> str:
    kind, targets = forms[-1], o.vector(0)
    _check_vector(forms[:-1], targets)
    type_ = C_TYPES[kind]
    reads = " ".join(f"{target(register, kind)} = v[{i}];" for i, register in enumerate(targets))
    return f"{type_} v[{len(targets)}]; t.load_{space}({o.address(1, space)}, v, sizeof v{_site(space)}); {reads}"


def _st(o: Operands, space: str, *forms: str) -> str:
    kind, sources = forms[-1], o.vector(1)
    _check_vector(forms[:-1], sources)
    values = ", ".join(Operands([source], {}, []).value(0, kind) for source in sources)
    return f"{C_TYPES[kind]} v[] = {{{values}}}; t.store_{space}({o.address(0, space)}, v, sizeof v{_site(space)});"


def _site(space: str) -> str:
    """What tells accesses of global memory apart: every statement has a line of its own."""
    return ", __LINE__" if space == "global" else ""


def _check_vector(forms: tuple[str, ...], parts: list[str]) -> None:
    if forms != (() if len(parts) == 1 else (f"v{len(parts)}",)):
        raise ValueError(forms)


def _bra(o: Operands, *forms: str) -> str:
    if forms not in ((), ("uni",)):
        raise ValueError(forms)
    return f"goto {label(o.texts[0])};"


FORMS: dict[str, Callable[..., str]] = {
    **{"add": _arithmetic("+"), "sub": _arithmetic("-"), "mul": _mul, "mad": _mad, "fma": _fma, "div": _div},
    **{"and": _arithmetic("&"), "or": _arithmetic("|"), "xor": _arithmetic("^"), "shl": _shl, "shr": _shr},
    "neg": lambda o, kind: o.write(kind, f"-({o.value(1, kind)})"),
    "not": lambda o, kind: o.write(kind, f"{'!' if kind == 'pred' else '~'}{o.value(1, kind)}"),
    "rem": lambda o, kind: o.write(kind, f"{o.value(1, kind)} % {o.value(2, kind)}"),
    **{"min": _smaller_or_larger("<"), "max": _smaller_or_larger(">"), "ex2": _ex2},
    **{"setp": _setp, "selp": _selp, "cvt": _cvt, "mov": _mov, "ld": _ld, "st": _st, "bra": _bra},
    "popc": _bits("__builtin_popcount(x)"),
    "clz": _bits("x ? __builtin_clz(x) : 32"),
    "brev": _bits("reversed(x)"),
    "bfind": _bits("x ? __builtin_clz(x) : 0xFFFFFFFFu"),  # .shiftamt: how far to the left the highest may go
    **{"prmt": _prmt, "vote": _vote},
    "cvta": lambda o, _to, _space, kind: o.write(kind, o.value(1, kind)),  # one address space here
    "bar": lambda o, _sync: "t.barrier();",
    "ret": lambda o: "return;",
}
