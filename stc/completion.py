"""`stc completion bash|zsh`: a script by which the shell completes the commands, without a Python at each key."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from stc.cli import Parser

# zsh reads bash's through its own bashcompinit. Of bash's variables it has no COMP_WORDBREAKS, and cuts no words at
# `:` and `=`; bash does, and what stands before the cut is not to be said again.
_SCRIPT = """\
_stc() {{
    local command=${{1##*/}} word=$2 before=$3 start= prefix= words=
    if [ -n "$COMP_WORDBREAKS" ]; then
        local line=${{COMP_LINE:0:COMP_POINT}}
        word=${{line##*[[:space:]]}}
        line=${{line%"$word"}}
        line=${{line%"${{line##*[![:space:]]}}"}}
        before=${{line##*[[:space:]]}}
        case $word in *[:=]*) prefix=${{word%"${{word##*[:=]}}"}} ;; esac
    fi
    case $word in --*=*) before=${{word%%=*}} start=${{word%%=*}}= word=${{word#*=}} ;; esac
    if [ "$command" = stc ]; then
        [ "$COMP_CWORD" -gt 1 ] && command=stc-${{COMP_WORDS[1]}} || words="{commands}"
    fi
    case $command in
    stc-completion) words="{shells}" ;;
{cases}
    esac
    COMPREPLY=($(compgen -W "$words" -- "$word"))
    COMPREPLY=("${{COMPREPLY[@]/#/$start}}")
    COMPREPLY=("${{COMPREPLY[@]#"$prefix"}}")
}}
complete -o bashdefault -o default -F _stc {names}
"""
_ZSH = """\
whence compdef > /dev/null || { autoload -Uz compinit && compinit; }
autoload -Uz bashcompinit && bashcompinit
"""
SHELLS = {"bash": "", "zsh": _ZSH}  # what stands before the script


def script(shell: str, parsers: Mapping[str, Parser]) -> str:
    """For one of SHELLS; `parsers` by the names of the commands behind `stc`."""
    return SHELLS[shell] + _SCRIPT.format(
        commands=" ".join([*parsers, "completion", "--help", "--version"]),
        shells=" ".join(SHELLS),
        cases="\n".join(f"    stc-{name})\n{_case(parser)} ;;" for name, parser in parsers.items()),
        names=" ".join(["stc", *(f"stc-{name}" for name in parsers)]),
    )


def _case(parser: Parser) -> str:
    """What follows an option: its choices, or a file, which the shell completes where no words are given."""
    lines, free = [], []
    for option in parser.options():
        if option.choices is not None:
            lines.append(f'{_pattern(option)}) words="{" ".join(map(str, option.choices))}" ;;')
        elif option.nargs != 0:
            free.append(_pattern(option))
    names = " ".join(name for option in parser.options() for name in option.option_strings)
    lines += [f"{'|'.join(free)}) ;;"] if free else []
    return "\n".join(
        [
            "        case $before in",
            *(f"        {line}" for line in lines),
            f'        *) [[ $word == -* ]] && words="{names}" ;;',
            "        esac",
        ]
    )


def _pattern(option: argparse.Action) -> str:
    return "|".join(option.option_strings)
