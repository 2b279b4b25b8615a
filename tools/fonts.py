"""Cuts IBM Plex down to what the page writes, and renames it. Called by tools/fonts.sh; the results are committed.

The fonts' licence (assets/fonts/OFL.txt) reserves the name "Plex" for unmodified copies, and a subset is a modified one:
so the families here are called Lab Serif, Lab Sans and Lab Mono.
"""

import pathlib
import sys

from fontTools import subset
from fontTools.ttLib import TTFont

TEXT = (
    "U+0020-007E,U+00A0-00FF,U+0131,U+0152,U+0153,"  # Latin, as western Europe writes it
    "U+0394,U+03BB,U+03BC,"  # Delta, lambda, mu
    "U+2009,U+200A,U+2010-2015,U+2018-201E,U+2020-2022,U+2026,U+202F,U+2030,U+2032,U+2033,U+2039,U+203A,"  # punctuation
    "U+20AC,U+2122,U+2190-2199,U+2212,U+221A,U+221E,U+2248,U+2260,U+2264,U+2265,U+2713"  # arrows, mathematics, check
)
# Boxes and blocks, for tables drawn in terminals.
BOXES = "U+2500-257F,U+2580-259F"
FACES = [
    ("serif", "Serif", "Regular", 400, TEXT),
    ("serif", "Serif", "Italic", "400-italic", TEXT),
    ("serif", "Serif", "SemiBold", 600, TEXT),
    ("sans", "Sans", "Regular", 400, TEXT),
    ("sans", "Sans", "SemiBold", 600, TEXT),
    ("mono", "Mono", "Regular", 400, f"{TEXT},{BOXES}"),
    ("mono", "Mono", "SemiBold", 600, f"{TEXT},{BOXES}"),
]


def main(packages: pathlib.Path, out: pathlib.Path) -> None:
    total = 0
    for package, family, style, weight, unicodes in FACES:
        source = packages / f"plex-{package}" / "fonts/complete/woff2" / f"IBMPlex{family}-{style}.woff2"
        options = subset.Options()
        options.flavor = "woff2"
        options.hinting = False
        options.desubroutinize = True
        options.layout_features = ["kern", "liga", "ccmp", "mark"]
        # Copyright, trademark and licence travel with the file.
        options.name_IDs = [0, 1, 2, 3, 4, 5, 6, 7, 13, 14]
        font = TTFont(source)
        subsetter = subset.Subsetter(options)
        subsetter.populate(unicodes=subset.parse_unicodes(unicodes))
        subsetter.subset(font)
        rename(font, f"Lab {family}", style)
        target = out / f"lab-{package}-{weight}.woff2"
        subset.save_font(font, target, options)
        size = target.stat().st_size
        total += size
        print(f"{size:7}  {target}  {len(font.getBestCmap())} characters")
    print(f"{total:7}  in all")


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
