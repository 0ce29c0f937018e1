{
  "targets": [
    {
      "target_name": "shardns",
      "sources": [
        "<!@(node -p \"require('./native/sources.json').join(' ')\")",
        "<!@(node -p \"require('./native/addon/sources.json').join(' ')\")"
      ],
      "include_dirs": ["native"],
      "defines": ["NAPI_VERSION=8"],
      "cflags_cc": ["-std=gnu++20", "-O3", "-fvisibility=hidden", "-flto", "-Wall", "-Wextra", "-ffile-prefix-map=<(module_root_dir)=."],
      "cflags_cc!": ["-std=gnu++17", "-std=gnu++1y"],
      "ldflags": ["-flto", "-O3", "-Wl,-z,nodelete"],
      "xcode_settings": { "CLANG_CXX_LANGUAGE_STANDARD": "gnu++20", "GCC_SYMBOLS_PRIVATE_EXTERN": "YES" }
    }
  ]
}
