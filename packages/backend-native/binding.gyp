{
  "variables": {
    "kernel_sources": [
      "native/kernels/additive.cpp",
      "native/kernels/attention.cpp",
      "native/kernels/attention_decode.cpp",
      "native/kernels/attention_grad.cpp",
      "native/kernels/bf16.cpp",
      "native/kernels/block_linear.cpp",
      "native/kernels/ceiling.cpp",
      "native/kernels/dropout.cpp",
      "native/kernels/elementwise.cpp",
      "native/kernels/gemm.cpp",
      "native/kernels/gemm_in_place.cpp",
      "native/kernels/gemm_packed.cpp",
      "native/kernels/gemm_thin.cpp",
      "native/kernels/loss.cpp",
      "native/kernels/move.cpp",
      "native/kernels/norm.cpp",
      "native/kernels/optimizer.cpp",
      "native/kernels/recurrent.cpp",
      "native/kernels/recurrent_grad.cpp",
      "native/kernels/reduce.cpp",
      "native/kernels/rotary.cpp",
      "native/kernels/table.cpp",
      "native/kernels/unpack_blocks.cpp"
    ],
    "sanitize%": ""
  },
  "target_defaults": {
    "default_configuration": "Release",
    "cflags!": ["-O3", "-fno-omit-frame-pointer"],
    "cflags_cc!": ["-std=gnu++17", "-std=gnu++20", "-fno-exceptions"],
    "cflags": ["-O2", "-fPIC", "-fvisibility=hidden", "-ftree-vectorize", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast", "-Wall", "-Wextra", "-Wno-psabi", "-Wno-maybe-uninitialized"],
    "cflags_cc": ["-std=c++20"],
    "xcode_settings": {
      "CLANG_CXX_LANGUAGE_STANDARD": "c++20",
      "MACOSX_DEPLOYMENT_TARGET": "11.0",
      "GCC_OPTIMIZATION_LEVEL": "2",
      "OTHER_CFLAGS": ["-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast", "-fvisibility=hidden"]
    },
    "msbuild_toolset": "ClangCL",
    "msvs_settings": {
      "VCCLCompilerTool": {
        "AdditionalOptions": ["/std:c++20", "/clang:-O2", "/clang:-fno-math-errno", "/clang:-fno-trapping-math", "/clang:-ffp-contract=fast"]
      }
    },
    "conditions": [
      ["OS=='linux' and sanitize==''", { "cflags_cc": ["-fno-exceptions"] }],
      ["sanitize!=''", {
        "cflags": ["-fsanitize=<(sanitize)", "-fno-sanitize-recover=undefined", "-g", "-fno-omit-frame-pointer"],
        "ldflags": ["-fsanitize=<(sanitize)"]
      }]
    ]
  },
  "targets": [
    {
      "target_name": "kernels_baseline",
      "type": "static_library",
      "defines": ["FILATURE_ISA=baseline"],
      "sources": ["<@(kernel_sources)"]
    },
    {
      "target_name": "filature_native",
      "dependencies": ["kernels_baseline"],
      "sources": [
        "native/addon.cpp",
        "native/cores.cpp",
        "native/dispatch.cpp",
        "native/pool.cpp",
        "native/processor.cpp",
        "native/bindings/attention.cpp",
        "native/bindings/blocks.cpp",
        "native/bindings/call.cpp",
        "native/bindings/dense.cpp",
        "native/bindings/elementwise.cpp",
        "native/bindings/fused.cpp",
        "native/bindings/memory.cpp",
        "native/bindings/optimizers.cpp",
        "native/bindings/recurrent.cpp",
        "native/bindings/shape.cpp"
      ],
      "conditions": [
        ["target_arch=='x64'", { "dependencies": ["kernels_avx2", "kernels_avx512"] }],
        ["OS=='linux'", { "ldflags": ["-static-libstdc++", "-static-libgcc", "-Wl,--exclude-libs,ALL", "-s"] }]
      ]
    }
  ],
  "conditions": [
    ["target_arch=='x64'", {
      "targets": [
        {
          "target_name": "kernels_avx2",
          "type": "static_library",
          "defines": ["FILATURE_ISA=avx2"],
          "cflags": ["-mavx2", "-mfma"],
          "xcode_settings": { "OTHER_CFLAGS": ["-mavx2", "-mfma"] },
          "msvs_settings": { "VCCLCompilerTool": { "AdditionalOptions": ["/clang:-mavx2", "/clang:-mfma"] } },
          "sources": ["<@(kernel_sources)"]
        },
        {
          "target_name": "kernels_avx512",
          "type": "static_library",
          "defines": ["FILATURE_ISA=avx512"],
          "cflags": ["-mavx512f", "-mavx512vl", "-mavx512dq", "-mavx512bw", "-mfma", "-mprefer-vector-width=512", "-Wno-uninitialized"],
          "xcode_settings": { "OTHER_CFLAGS": ["-mavx512f", "-mavx512vl", "-mavx512dq", "-mavx512bw", "-mfma"] },
          "msvs_settings": {
            "VCCLCompilerTool": {
              "AdditionalOptions": ["/clang:-mavx512f", "/clang:-mavx512vl", "/clang:-mavx512dq", "/clang:-mavx512bw", "/clang:-mfma"]
            }
          },
          "sources": ["<@(kernel_sources)"]
        }
      ]
    }]
  ]
}
