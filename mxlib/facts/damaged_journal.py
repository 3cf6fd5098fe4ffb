"""Files of the journal that journalctl leaves out: it says so on standard error only, and ends with 0 all the same."""

# A crash leaves such files behind. What was last written before this boot has nothing of it, and is in nobody's way.
SCRIPT = r"""
read -r up rest </proc/uptime
booted=$(($(date +%s) - ${up%.*}))
journalctl -q --no-pager -n 0 2>&1 | while read -r line; do
file=$(printf '%s\n' "$line" | sed -n 's,^[^/]*\(/[^ ,]*\).*,\1,p')
written=$(stat -c %Y "$file" 2>/dev/null) && [ "$written" -lt "$booted" ] || printf '%s\n' "$line"
done
"""
"""Prints what journalctl says of each file that may have something of this boot."""
