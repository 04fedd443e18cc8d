# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""precompiled_header: a header that clang parses once, for all the files that include it first."""

load("@bazel_tools//tools/build_defs/cc:action_names.bzl", "ACTION_NAMES")
load("@bazel_tools//tools/cpp:toolchain_utils.bzl", "find_cpp_toolchain")

def _compiler(ctx, toolchain, context):
    """The compiler and its flags for a file that includes what is in `context`."""
    features = cc_common.configure_features(
        ctx = ctx,
        cc_toolchain = toolchain,
        requested_features = ctx.features,
        unsupported_features = ctx.disabled_features,
    )
    action = ACTION_NAMES.cpp_compile
    variables = cc_common.create_compile_variables(
        cc_toolchain = toolchain,
        feature_configuration = features,
        include_directories = context.includes,
        quote_include_directories = context.quote_includes,
        system_include_directories = context.system_includes,
        preprocessor_defines = context.defines,
        user_compile_flags = ctx.fragments.cpp.copts + ctx.fragments.cpp.cxxopts,
    )
    return [
        cc_common.get_tool_for_action(feature_configuration = features, action_name = action),
    ] + cc_common.get_memory_inefficient_command_line(
        feature_configuration = features,
        action_name = action,
        variables = variables,
    )

# clang checks that the headers are those it has seen: by name, relative to the folder of this action,
# which is gone then, and by size, since their times are those of a sandbox.
_SCRIPT = """
"$@" {kind} -Xclang -relocatable-pch -Xclang -fno-pch-timestamp -fpch-instantiate-templates -isysroot "$PWD" \
  -x c++-header {header} -o {output}
"""

def _impl(ctx):
    header = ctx.file.hdr
    toolchain = find_cpp_toolchain(ctx)
    context = cc_common.merge_cc_infos(
        cc_infos = [dep[CcInfo] for dep in ctx.attr.deps],
    ).compilation_context

    # As the files that use it: those of static binaries are compiled without -fPIC (.bazelrc), and then
    # clang's default is this.
    kind = "-fPIE" if "fully_static_link" in ctx.features else "-fPIC"

    # Where clang looks for what -include names.
    output = ctx.actions.declare_file(header.basename + ".gch")
    ctx.actions.run_shell(
        outputs = [output],
        inputs = depset([header], transitive = [context.headers]),
        arguments = _compiler(ctx, toolchain, context),
        command = _SCRIPT.format(
            header = header.path,
            output = output.path,
            kind = kind,
        ),
        mnemonic = "PrecompileHeader",
        progress_message = "Precompiling " + header.short_path,
    )
    headers = depset([output, header], transitive = [context.headers])
    return [
        DefaultInfo(files = depset([output])),
        CcInfo(compilation_context = cc_common.create_compilation_context(headers = headers)),
    ]

precompiled_header = rule(
    implementation = _impl,
    attrs = {
        "hdr": attr.label(mandatory = True, allow_single_file = [".h"]),
        "deps": attr.label_list(providers = [CcInfo]),
        "_cc_toolchain": attr.label(default = "@bazel_tools//tools/cpp:current_cc_toolchain"),
    },
    fragments = ["cpp"],
    incompatible_use_toolchain_transition = True,
    toolchains = ["@bazel_tools//tools/cpp:toolchain_type"],
)
