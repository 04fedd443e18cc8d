# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""For tests that need the software hypervisor."""

# target_compatible_with: a build without the software hypervisor leaves such a target out.
SOFTWARE_ONLY = select({
    "//hypervisor:with_software": [],
    "//conditions:default": ["//hypervisor:no_platform"],
})
