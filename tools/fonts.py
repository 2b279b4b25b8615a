"""Cuts IBM Plex down to what the page writes, and renames it. Called by tools/fonts.sh; the results are committed.

The fonts' licence (assets/fonts/OFL.txt) reserves the name "Plex" for unmodified copies, and a subset is a modified one:
so the families here are called Lab Serif, Lab Sans and Lab Mono.
"""

import pathlib
import sys

from fontTools import subset
from fontTools.ttLib import TTFont

# What every page writes: it is loaded with the first one.
CORE = (
    "U+0020-007E,U+00A0,U+00B1,U+00B5,U+00B7,U+00D7,U+03BC,"  # English, plus-minus, micro, middle dot, times
    "U+2009,U+2013,U+2014,U+2018,U+2019,U+201C,U+201D,U+2026,"  # punctuation
    "U+2190-2193,U+2212,U+2264,U+2265,U+2713"  # arrows, mathematics, check
)
# Titles and emphasis: letters and quotes.
TITLE = "U+0020-007E,U+00A0,U+2013,U+2014,U+2018,U+2019,U+201C,U+201D,U+2026"
# The rest of what western Europe writes, and boxes for tables in terminals: loaded when a page first needs one of them.
MORE = (
    "U+00A1-00B0,U+00B2-00B4,U+00B6,U+00B8-00D6,U+00D8-00FF,U+0131,U+0152,U+0153,U+0394,U+03BB,"
    "U+200A,U+2010-2012,U+2015,U+201A,U+201E,U+2020-2022,U+202F,U+2030,U+2032,U+2033,U+2039,U+203A,"
    "U+20AC,U+2122,U+2194-2199,U+221A,U+221E,U+2248,U+2260,U+2500-257F,U+2580-259F"
)
FACES = [
    ("serif", "Serif", "Regular", "400", CORE),
    ("serif", "Serif", "Italic", "400-italic", TITLE),
    ("serif", "Serif", "SemiBold", "600", TITLE),
    ("sans", "Sans", "Regular", "400", CORE),
    ("sans", "Sans", "SemiBold", "600", CORE),
    ("mono", "Mono", "Regular", "400", CORE),
]


def main(packages: pathlib.Path, out: pathlib.Path) -> None:
    total = 0
    for package, family, style, weight, core in FACES:
        source = packages / f"plex-{package}" / "fonts/complete/woff2" / f"IBMPlex{family}-{style}.woff2"
        for part, unicodes in [("", core), ("-more", MORE if core == CORE else f"{CORE},{MORE}")]:
            target = out / f"lab-{package}-{weight}{part}.woff2"
            characters = cut(source, unicodes, f"Lab {family}", style, target)
            size = target.stat().st_size
            total += size
            print(f"{size:7}  {target}  {characters} characters")
    print(f"{total:7}  in all")


def cut(source: pathlib.Path, unicodes: str, family: str, style: str, target: pathlib.Path) -> int:
    options = subset.Options()
    options.flavor = "woff2"
    options.hinting = False
    options.desubroutinize = True
    # Kerning would make the first page a fifth of its fonts heavier.
    options.layout_features = []
    # Copyright, trademark and licence travel with the file.
    options.name_IDs = [0, 1, 2, 3, 4, 5, 6, 7, 13, 14]
    font = TTFont(source)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=subset.parse_unicodes(unicodes))
    subsetter.subset(font)
    rename(font, family, style)
    subset.save_font(font, target, options)
    return len(font.getBestCmap())


def rename(font: TTFont, family: str, style: str) -> None:
    names = {
        1: family,
        2: style,
        3: f"{family} {style}, a subset of IBM Plex",
        4: f"{family} {style}",
        6: f"{family} {style}".replace(" ", ""),
    }
    for record in list(font["name"].names):
        if record.nameID in names:
            record.string = names[record.nameID]


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
