"""Header files of the spool, read by awk. Only this module knows their format.

The -H file (Exim's spec.txt, "Format of spool files"): line 3 is the envelope sender; options begin with "-"; then the
tree of addresses that are done ("XX" when empty, else "YN address" a node), the number of recipients, the recipients, a
blank line, the headers.
"""

# A quoted local part may contain blanks; else Exim's own data about the recipient follows a blank.
LOOK = r"""
function recipient(line) {
line = tolower(line)
if (match(line, /^"([^"\\]|\\.)*"@[^ ]*/)) line = substr(line, 1, RLENGTH)
else sub(/ .*/, "", line)
return line
}
function domain_of(address) { sub(/.*@/, "", address); return address }
function look(file,  line, n, state, a, more, number, listed, whole) {
n = listed = whole = left = 0; state = "options"; frozen = bounce = "-"; sender = ""
split("", done); split("", open)
while ((more = (getline line < file)) > 0) {
n++
if (n == 3) { sender = tolower(line); gsub(/[<>]/, "", sender); if (sender == "") bounce = "b" }
if (state == "options" && line ~ /^-frozen/) frozen = "f"
if (state == "options" && line == "XX") { state = "number"; continue }
if ((state == "options" || state == "tree") && line ~ /^[YN][YN] /) {
done[tolower(substr(line, 4))] = 1; state = "tree"; continue
}
if ((state == "tree" || state == "number") && line ~ /^[0-9]+$/) { state = "recipients"; number = line; continue }
if (state == "recipients") {
if (line == "") { whole = listed == number; break }
listed++; a = recipient(line)
if (!(a in done)) open[++left] = a
}
}
close(file)
if (!whole && (n || !more)) open[++left] = "?"
return n || !more
}
"""
"""``look(FILE)`` sets ``sender``, ``frozen`` (f or -), ``bounce`` (b or -) and ``open``, the ``left`` recipients that
are not done, all in lower case; "?" is one of them where the file is cut short or has another form. It returns 0 where
the file is gone."""
