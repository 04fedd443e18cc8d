# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Debian -dev packages as Bazel repositories (no downloads, no vendoring).

Headers stay in /usr/include, which every compiler in //bazel/toolchain searches by
default, so the targets below carry only link flags and dependency edges. The
edges come from the packages' own pkg-config files; the same graph serves
x86_64 and arm64, because the linker picks the directory.
"""

_PC_DIR = "/usr/lib/x86_64-linux-gnu/pkgconfig"

def _parse_pc(text):
    fields = {"Requires": "", "Requires.private": "", "Libs": "", "Libs.private": ""}
    for line in text.split("\n"):
        key, sep, value = line.partition(":")
        if sep and key in fields:
            fields[key] = value
    deps = []
    for item in (fields["Requires"] + "," + fields["Requires.private"]).split(","):
        word = item.strip().split(" ")[0]
        if word and word not in deps:
            deps.append(word)
    opts = []
    for word in (fields["Libs"] + " " + fields["Libs.private"]).split(" "):
        if word and not word.startswith("-L") and word not in opts:
            opts.append(word)
    return deps, opts

def _pkg_config_repository_impl(rctx):
    lines = ['package(default_visibility = ["//visibility:public"])']
    names = []
    for path in sorted([str(p) for p in rctx.path(_PC_DIR).readdir()]):
        name = path.rpartition("/")[2]
        if not name.endswith(".pc"):
            continue
        name = name[:-3]
        if name not in rctx.attr.modules and not (rctx.attr.prefix and name.startswith(rctx.attr.prefix)):
            continue
        deps, opts = _parse_pc(rctx.read(path))
        names.append(name)
        lines.append("cc_library(name = %r, linkopts = %r, deps = %r)" % (
            name,
            [o for o in opts if o != "-pthread"] + (["-pthread"] if "-pthread" in opts else []),
            [":" + d for d in deps],
        ))
    if not names:
        fail("no pkg-config file for %s in %s; run tools/setup.sh" % (rctx.attr.modules or rctx.attr.prefix, _PC_DIR))
    rctx.file("BUILD", "\n".join(lines) + "\n")

    # Upstream-style labels: "status:statusor" -> absl_statusor.
    packages = {}
    for label, target in rctx.attr.aliases.items():
        package, _, name = label.partition(":")
        packages.setdefault(package, []).append((name, target))
    for package, items in packages.items():
        rctx.file(package + "/BUILD", 'package(default_visibility = ["//visibility:public"])\n' + "".join([
            "alias(name = %r, actual = %r)\n" % (n, "//:" + t)
            for n, t in items
        ]))

pkg_config_repository = repository_rule(
    implementation = _pkg_config_repository_impl,
    attrs = {
        "prefix": attr.string(),
        "modules": attr.string_list(),
        "aliases": attr.string_dict(),
    },
    local = True,
    environ = [],
)

def _link_only_impl(rctx):
    rctx.file("BUILD", "package(default_visibility = [\"//visibility:public\"])\n" + "".join([
        "cc_library(name = %r, linkopts = %r)\n" % (name, opts.split(" ") if opts else [])
        for name, opts in rctx.attr.libs.items()
    ]))

link_only_repository = repository_rule(
    implementation = _link_only_impl,
    attrs = {"libs": attr.string_dict()},
    local = True,
)

def _debian_sysroot_impl(rctx):
    script = rctx.path(rctx.attr.script)
    result = rctx.execute(
        [str(script), "unpack", rctx.attr.arch, rctx.attr.suite, str(rctx.path("tree"))] + rctx.attr.packages,
        timeout = 600,
        quiet = False,
    )
    if result.return_code != 0:
        fail("sysroot: " + result.stdout + result.stderr)
    rctx.file("BUILD", """package(default_visibility = ["//visibility:public"])
filegroup(name = "libs", srcs = glob(["tree/usr/lib/**/*.a"]))
""")

debian_sysroot = repository_rule(
    implementation = _debian_sysroot_impl,
    attrs = {
        "arch": attr.string(mandatory = True),
        "packages": attr.string_list(mandatory = True),
        "suite": attr.string(default = "bookworm"),
        "script": attr.label(default = "//tools:debian.sh"),
    },
)

def debian_repositories():
    link_only_repository(name = "benchmark", libs = {"benchmark": "-lbenchmark -pthread"})
    link_only_repository(name = "http_parser", libs = {"http_parser": "-lhttp_parser"})
    link_only_repository(name = "libfdt", libs = {"libfdt": "-lfdt"})
    link_only_repository(name = "zlib", libs = {"zlib": "-lz"})
    link_only_repository(name = "zstd", libs = {"zstd": "-lzstd"})
    debian_sysroot(
        name = "sysroot_arm64",
        arch = "arm64",
        packages = [
            "libfdt-dev",
            "libhttp-parser-dev",
            "libprotobuf-dev",
            "libzstd-dev",
            "zlib1g-dev",
        ],
    )
