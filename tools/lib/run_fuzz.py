#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Runs libFuzzer binaries for some seconds each, several at a time.

usage: tools/lib/run_fuzz.py SECONDS OUTPUT_FOLDER BINARY...

Each keeps its corpus in OUTPUT_FOLDER, and what made it fail. One line for each, then a summary.
"""

import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys


def run(binary, seconds, folder):
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    command = [binary, f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048",
               "-print_final_stats=1", f"-artifact_prefix={folder}/", str(corpus)]
    try:
        result = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, errors="replace",
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                timeout=seconds + 120)
        status, output = result.returncode, result.stdout
    except subprocess.TimeoutExpired as error:
        status, output = 1, f"does not end: {error}"
    (folder / "log").write_text(output)
    executions = re.search(r"number_of_executed_units: (\d+)", output)
    return status, int(executions[1]) if executions else 0, output


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    seconds, output_folder = int(sys.argv[1]), pathlib.Path(sys.argv[2])
    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        runs = {}
        for binary in sys.argv[3:]:
            name = os.path.basename(binary)
            runs[pool.submit(run, binary, seconds, output_folder / name)] = name
        for future in concurrent.futures.as_completed(runs):
            status, executions, output = future.result()
            # A fuzz entry that never ran its function has shown nothing.
            if status == 0 and executions > 0:
                passed += 1
                print(f"ok      {runs[future]} ({executions} executions)", flush=True)
            else:
                failed += 1
                tail = "\n    | ".join(output.splitlines()[-25:])
                print(f"FAILED  {runs[future]}; see {output_folder}/{runs[future]}\n    | {tail}",
                      flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
