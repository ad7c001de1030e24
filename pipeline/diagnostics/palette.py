"""The colours of every figure. They are here so that training can draw without matplotlib."""

INK, MUTED, RULE, FAINT = "#1f2933", "#52606d", "#dde3ea", "#9fb3c8"
BLUE, ORANGE, TEAL, PALE_BLUE = "#1d5fa8", "#c2410c", "#0f766e", "#bcd3ee"

# From white, so that a dark cell is a large value on paper too.
SHADES = ("#ffffff", PALE_BLUE, BLUE, "#0b2545")
