"""PTX text to C++: one function per `.entry`, one statement per instruction, for exactly the forms our kernels use.

A form that is not in `forms.py` is an error and never a guess. `machine.h` says what memory, threads and barriers do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tests.plugins.ptx.forms import BYTES, FORMS, Operands, label


class UnknownFormError(Exception):
    """An instruction, operand or declaration that this translator does not know."""


@dataclass
class Kernel:
    """parameters: (name, offset in bytes, size in bytes), in their order. statements: C++."""

    name: str
    parameters: list[tuple[str, int, int]]
    registers: list[str] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)


def translate(text: str, only: str = "") -> tuple[str, list[Kernel], list[str]]:
    """C++ of the kernels in `text` whose names contain `only`, the kernels, and their opcodes in the order of the
    counters.
    """
    text = re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.DOTALL)
    shared = re.findall(r"\.extern\s+\.shared\s+\.align\s+\d+\s+\.b8\s+([\w$]+)\[\]", text)
    opcodes: dict[str, int] = {}
    kernels = []
    for entry in re.finditer(r"\.entry\s+([\w$]+)\s*\((.*?)\)[^{]*\{(.*?)\n\}", text, re.DOTALL):
        if only not in entry[1]:
            continue
        kernel = Kernel(entry[1], _parameters(entry[2]))
        _body(kernel, entry[3], shared, opcodes)
        kernels.append(kernel)
    return "\n".join(['#include "machine.h"', *map(_function, kernels)]), kernels, list(opcodes)


def _parameters(text: str) -> list[tuple[str, int, int]]:
    found, offset = [], 0
    pointer = r"(?:\.ptr\s+(?:\.\w+\s+)?\.align\s+\d+\s+)?"
    declaration = rf"\.param\s+(?:\.align\s+(\d+)\s+)?\.(\w+)\s+{pointer}([\w$]+)(?:\[(\d+)\])?"
    for align, kind, name, count in re.findall(declaration, text):  # a struct is an array of bytes
        size = BYTES[kind] * int(count or 1)
        alignment = int(align or size)
        offset = -(-offset // alignment) * alignment
        found.append((name, offset, size))
        offset += size
    return found


def _function(kernel: Kernel) -> str:
    registers = "".join(f"  Register {name};\n" for name in kernel.registers)
    body = "\n".join(f"  {statement}" for statement in kernel.statements)
    layout = "".join(f"{offset}, {size}, " for _, offset, size in kernel.parameters)
    return (
        f'extern "C" const unsigned parameters_{kernel.name}[] = {{{layout}0, 0}};\n'
        f"static void body_{kernel.name}(Thread& t) {{\n{registers}{body}\n}}\n"
        f'extern "C" void run_{kernel.name}(const unsigned char* parameters, const unsigned* grid, unsigned threads, '
        f"unsigned shared, int backwards) {{\n"
        f"  launch(body_{kernel.name}, parameters, grid, threads, shared, backwards);\n}}"
    )


def _body(kernel: Kernel, text: str, shared: list[str], opcodes: dict[str, int]) -> None:
    for _, prefix, count in re.findall(r"\.reg\s+\.(\w+)\s+%(\w+?)<(\d+)>;", text):
        kernel.registers += [f"r_{prefix}{i}" for i in range(int(count))]
    text = re.sub(r"\.(reg|pragma|loc)\b[^;\n]*;?", "", text)
    text = re.sub(r"\{\s*(cvt[^{};]*;)\s*\}", r"\1", text)  # inline assembly stands in braces
    places = {name: offset for name, offset, _ in kernel.parameters}
    position, token = 0, re.compile(r"\s*(?:([\w$]+):|((?:@!?%p\d+\s+)?[a-z][^;]*);)")
    while text[position:].strip():
        match = token.match(text, position)
        if match is None:
            raise UnknownFormError(text[position : position + 80].strip())
        position = match.end()
        kernel.statements.append(f"{label(match[1])}: ;" if match[1] else _statement(match[2], places, shared, opcodes))


def _statement(text: str, places: dict[str, int], shared: list[str], opcodes: dict[str, int]) -> str:
    guard, opcode, rest = re.fullmatch(r"(?:@(!?%p\d+)\s+)?([a-z][\w.]*)\s*(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
    operands = [part.strip() for part in re.findall(r"\{[^}]*\}|\[[^\]]*\]|[^,{}\[\]]+", rest) if part.strip()]
    number = opcodes.setdefault(opcode, len(opcodes))
    name, *forms = opcode.split(".")
    try:
        code = FORMS[name](Operands(operands, places, shared), *forms)
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise UnknownFormError(text) from error
    condition = "" if guard is None else f"if ({'!' if guard[0] == '!' else ''}r_{guard.lstrip('!%')}.pred) "
    return f"{condition}{{ executed[{number}]++; {code} }}"
