"""docs/config.md is what `girandole serve --help` says. `python test_docs.py` writes it anew."""
import pathlib
import re
import subprocess

from server import BINARY, ROOT

PAGE: pathlib.Path = ROOT / "docs" / "config.md"
MARK = "<!-- from `girandole serve --help`: python3 tests/clients/test_docs.py writes it -->\n"
OPTION = re.compile(r"^ +(?:-\w, )?(--[\w-]+)(?: [\[<][^\n]*|\[=[^\n]*)?\n((?:^ {10,}\S.*\n|^\n(?= {10,}))+)", re.M)


def table():
    help_text = subprocess.run([BINARY, "serve", "--help"], capture_output=True, text=True, check=True).stdout + "\n"
    rows = []
    for flag, text in OPTION.findall(help_text):
        if flag in ("--help", "--version"):
            continue
        text = " ".join(text.split())
        default = re.search(r"\[default: ([^\]]*)\]", text)
        values = re.findall(r"- (\w+): ", text)
        says = re.split(r" (?:Possible values:|\[env:|\[default:|\[possible|\[aliases)", text)[0]
        rows.append(f"| `{flag}` | {default[1] if default else ''} | "
                    f"{says}{' (' + ', '.join(values) + ')' if values else ''} |")
    return "\n".join(["| flag | default | |", "|---|---|---|", *rows]) + "\n"


def test_the_page_has_every_option():
    made = table()
    assert made.count("\n") > 20, made
    assert PAGE.read_text().split(MARK)[1] == made, "python3 tests/clients/test_docs.py writes it anew"


if __name__ == "__main__":
    PAGE.write_text(PAGE.read_text().split(MARK)[0] + MARK + table())
