// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// touched_pages PID BYTES: of the guest memory of a monitor, BYTES large, prints how many pages are present, and
// how many of them are not zero. The guest should stand still.
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE 4096
// The kernel may have split guest memory; nothing else without a file is as large (stacks of threads: 8 MiB).
#define SMALLEST (16 << 20)
#define PRESENT (UINT64_C(1) << 63)
#define SWAPPED (UINT64_C(1) << 62)

static int Open(const char* pid, const char* file) {
  char path[64];
  snprintf(path, sizeof(path), "/proc/%s/%s", pid, file);
  return open(path, O_RDONLY);
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const uint64_t bytes = strtoull(argv[2], NULL, 10);
  FILE* const maps = fdopen(Open(argv[1], "maps"), "r");
  const int memory = Open(argv[1], "mem");
  const int pagemap = Open(argv[1], "pagemap");
  if (maps == NULL || memory < 0 || pagemap < 0) return 1;

  static const char zeros[PAGE];
  static char page[PAGE];
  uint64_t first, end, present = 0, filled = 0, mapped = 0;
  char line[512];
  while (fgets(line, sizeof(line), maps) != NULL) {
    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " rw", &first, &end) != 2) continue;
    if (end - first < SMALLEST) continue;
    mapped += end - first;
    for (; first < end; first += PAGE) {
      uint64_t entry = 0;
      if (pread(pagemap, &entry, sizeof(entry), first / PAGE * sizeof(entry)) != sizeof(entry)) return 1;
      if ((entry & (PRESENT | SWAPPED)) == 0) continue;
      ++present;
      if (pread(memory, page, PAGE, first) != PAGE) return 1;
      filled += memcmp(page, zeros, PAGE) != 0;
    }
  }
  if (mapped < bytes) {
    fprintf(stderr, "touched_pages: guest memory not found\n");
    return 1;
  }
  printf("%" PRIu64 " %" PRIu64 "\n", present, filled);
  return 0;
}
