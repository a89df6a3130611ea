#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The judge on real logs: what moved is found and named, nothing is said before, and windows of the reference itself raise no alarm.
# Wants OODD_SHARED, the folder whose data/ holds the logs, and python3 with numpy and msgpack; else it is skipped, and says so.
here=${srcdir:-.}/tests/judge
python=${PYTHON3:-/usr/bin/python3}
data=${OODD_SHARED:-/nowhere}/data
if [ ! -d "$data/clinc150" ]; then
	echo "SKIPPED: OODD_SHARED does not name a folder with data/clinc150 in it; the judge was not tried on real logs"
	exit 77
fi
if ! "$python" -c 'import numpy, msgpack' 2>/dev/null; then
	echo "SKIPPED: $python has no numpy or msgpack; the judge was not tried on real logs"
	exit 77
fi
PYTHONDONTWRITEBYTECODE=1 exec "$python" "$here/trial_check.py" "$data" tests/judge/trial
