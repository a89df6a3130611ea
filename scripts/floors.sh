#!/bin/sh
# Keeps the house: prints every #include that climbs a floor or crosses to another room of the stages' floor; exits 1 if any.
# A room may include itself, the floors beneath it, and include/oodd/. The roof (agent/*.c) may include everything.
cd "${1:-${OODD_TREE:-$(dirname "$0")/..}}" || exit 2
floor_of() {
	case "$1" in
	base) echo 0 ;; stats) echo 1 ;; model) echo 2 ;; lua | store) echo 3 ;;
	input | score | judge | rules | deliver | review | serve) echo 4 ;; *) echo 9 ;;
	esac
}
bad=0
for file in agent/*/*.[ch]; do
	room=${file#agent/}; room=${room%%/*}
	for target in $(sed -n 's/^#[[:space:]]*include "\([a-z0-9_]*\)\/.*/\1/p' "$file" | sort -u) ; do
		[ "$target" = "$room" ] || [ "$target" = oodd ] && continue
		[ "$(floor_of "$target")" -lt "$(floor_of "$room")" ] && continue
		echo "$file: includes \"$target/\" from room $room: that climbs or crosses"; bad=1
	done
	grep -Hn '^#[[:space:]]*include "[a-z0-9_]*\.h"' "$file" && { echo "$file: includes by a path without a room"; bad=1; }
done
for file in plugins/*/*.[ch]; do
	grep -Hn '^#[[:space:]]*include "\(base\|stats\|model\|lua\|store\|input\|score\|judge\|rules\|deliver\)/' "$file" && bad=1
done
exit $bad
