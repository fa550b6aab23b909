# The addon: one static library per ISA level, so that each gets its own flags and no code built for AVX can leak into
# the rest, and the glue on top. `npm run build:native` builds it; -Dsanitize=address,undefined adds sanitizers.
# Paths are from the package's root, where that command copies this file as binding.gyp. Under that name it is never published: Yarn runs
# node-gyp at installation wherever it finds one.
{
  'variables': {
    'sanitize%': '',
    # 1: a build for test/sanitized, whose allocations and calls of Node-API can be made to fail.
    'failing_allocations%': 0,
    'common_flags': ['-std=c++17', '-O3', '-Wall', '-Wextra', '-Wno-psabi', '-fvisibility=hidden', '-ffp-contract=off'],
    # Node's headers ask for other standards and for -fno-omit-frame-pointer, which costs the kernels a register.
    'unwanted_flags': ['-std=gnu++17', '-std=gnu++20', '-fno-omit-frame-pointer'],
    'kernel_flags': ['-fno-exceptions', '-fno-rtti', '-fno-math-errno'],
    'avx2_flags': ['-mavx2', '-mfma', '-mf16c'],
    'avx512_flags': ['-mavx512f', '-mavx512bw', '-mavx512dq', '-mavx512vl', '-mavx512cd'],
    'wide_flag': '-mprefer-vector-width=512',
  },
  'target_defaults': {
    'cflags_cc!': ['<@(unwanted_flags)'],
    'cflags!': ['-fno-omit-frame-pointer'],
    'cflags_cc': ['<@(common_flags)'],
    # macOS reads these instead.
    'xcode_settings': {
      'CLANG_CXX_LANGUAGE_STANDARD': 'c++17',
      'GCC_OPTIMIZATION_LEVEL': '3',
      'GCC_SYMBOLS_PRIVATE_EXTERN': 'YES',
      'OTHER_CPLUSPLUSFLAGS': ['<@(common_flags)'],
    },
    # And Windows these. clang-cl takes -m as it is; what it would not know goes through /clang:.
    'msvs_settings': { 'VCCLCompilerTool': { 'AdditionalOptions': ['/clang:-O3', '/clang:-ffp-contract=off'] } },
    # Later than the conditions of Node's own settings and of node-addon-api's, which would win over plain ones.
    'target_conditions': [
      ['OS=="mac"', { 'xcode_settings': { 'MACOSX_DEPLOYMENT_TARGET': '11.0' } }],
      ['OS=="win"', {
        # MSVC has no vector extensions.
        'msbuild_toolset': 'ClangCL',
        'msvs_settings': {
          'VCCLCompilerTool': {
            # Optimised together, the levels could share their code.
            'WholeProgramOptimization': 'false',
          },
          'VCLibrarianTool': { 'AdditionalOptions!': ['/LTCG:INCREMENTAL'] },
          'VCLinkerTool': { 'AdditionalOptions!': ['/LTCG:INCREMENTAL'] },
        },
      }],
    ],
    'conditions': [
      ['sanitize!=""', {
        'cflags_cc': ['-fsanitize=<(sanitize)', '-fno-sanitize-recover=all', '-fno-omit-frame-pointer', '-g1', '-O1'],
        'ldflags': ['-fsanitize=<(sanitize)'],
      }],
    ],
  },
  'targets': [
    {
      'target_name': 'kernels_baseline',
      'win_delay_load_hook': 'false',
      'type': 'static_library',
      'sources': ['native/isa/baseline.cc'],
      'cflags_cc': ['<@(kernel_flags)'],
      'xcode_settings': { 'OTHER_CPLUSPLUSFLAGS': ['<@(kernel_flags)'] },
    },
    {
      'target_name': 'hypersphere',
      # Node's setting; the one of node-addon-api is 1.
      'defines!': ['_HAS_EXCEPTIONS=0'],
      'sources': [
        'native/cpu.cc',
        'native/threads/pool.cc',
        'native/threads/keep_loaded.cc',
        'native/ops/product.cc',
        'native/ops/matmul.cc',
        'native/ops/distances.cc',
        'native/ops/distances_gradient.cc',
        'native/ops/normalize.cc',
        'native/ops/ranks.cc',
        'native/ops/centers.cc',
        'native/ops/given_rows.cc',
        'native/ops/triplet_powers.cc',
        'native/ops/batch_rows.cc',
        'native/ops/batch_triplet.cc',
        'native/ops/coarse.cc',
        'native/ops/row_sweep.cc',
        'native/ops/pair_sweep.cc',
        'native/ops/batch_triplet_swap.cc',
        'native/ops/mined_rows.cc',
        'native/ops/mine_triplets.cc',
        'native/ops/mine_pairs.cc',
        'native/losses/supcon.cc',
        'native/losses/ntxent.cc',
        'native/losses/circle.cc',
        'native/losses/multi_similarity.cc',
        'native/losses/contrastive.cc',
        'native/losses/nca.cc',
        'native/losses/lifted_structure.cc',
        'native/losses/intra_pair_variance.cc',
        'native/losses/pnp.cc',
        'native/losses/angular.cc',
        'native/losses/proxy_anchor.cc',
        'native/losses/tuplet_margin.cc',
        'native/losses/tcm.cc',
        'native/losses/ranked_list.cc',
        'native/losses/fast_ap.cc',
        'native/losses/margin.cc',
        'native/losses/histogram.cc',
        'native/ops/gallery.cc',
        'native/ops/nearest.cc',
        'native/ops/margins.cc',
        'native/ops/margin_rows.cc',
        'native/ops/margin_softmax.cc',
        'native/ops/softmax.cc',
        'native/ops/hardmax.cc',
        'native/mpi/library.cc',
        'native/cuda/driver.cc',
        'native/cuda/context.cc',
        'native/cuda/staging.cc',
        'native/cuda/packed_text.cc',
        'native/cuda/ptx.cc',
        'native/cuda/fast_ptx.cc',
        'native/cuda/ops/product.cc',
        'native/cuda/ops/normalize.cc',
        'native/cuda/ops/distances_gradient.cc',
        'native/cuda/ops/pair_batch.cc',
        'native/cuda/ops/batch_triplet.cc',
        'native/cuda/ops/row_sweep.cc',
        'native/cuda/ops/batch_losses.cc',
        'native/cuda/ops/given_rows.cc',
        'native/cuda/ops/nearest.cc',
        'native/cuda/ops/centers.cc',
        'native/cuda/ops/softmax.cc',
        'native/cuda/ops/margin_softmax.cc',
        'native/cuda/ops/head_weights.cc',
        'native/cuda/ops/resident.cc',
        'native/napi/args.cc',
        'native/napi/mpi.cc',
        'native/napi/task.cc',
        'native/napi/device.cc',
        'native/napi/matmul.cc',
        'native/napi/distances.cc',
        'native/napi/normalize.cc',
        'native/napi/ranks.cc',
        'native/napi/centers.cc',
        'native/napi/given_rows.cc',
        'native/napi/triplet.cc',
        'native/napi/mining.cc',
        'native/napi/batch_losses.cc',
        'native/napi/proxy_anchor.cc',
        'native/napi/memory.cc',
        'native/napi/nearest.cc',
        'native/napi/margin_softmax.cc',
        'native/napi/head_args.cc',
        'native/napi/resident.cc',
        'native/napi/softmax.cc',
        'native/napi/addon.cc',
      ],
      'dependencies': [
        # With exceptions in the glue a worker may be terminated in mid-call; without them that aborts the process.
        "<!(node -p \"require('node-addon-api').targets\"):node_addon_api_except_all",
        'kernels_baseline',
      ],
      'ldflags': [
        # A pool thread must not lose its code when the only environment that loaded the addon goes away.
        '-Wl,-z,nodelete',
        '-Wl,-Bsymbolic',
        '-Wl,--exclude-libs,ALL',
        '-Wl,--version-script=<(module_root_dir)/native/exports.map',
      ],
      'conditions': [
        # dlopen, which older C libraries keep apart.
        ['OS=="linux"', { 'libraries': ['-ldl'] }],
        ['failing_allocations==1', {
          'sources': ['test/native/calls/allocations.cc', 'test/native/addon_allocations.cc', 'test/native/failing_node_api.cc'],
          # Strings allocate in the C++ library unless their code is here.
          'defines': ['HYPERSPHERE_FAILING_ALLOCATIONS', '_GLIBCXX_EXTERN_TEMPLATE=0'],
          'ldflags': [
            '-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc,--wrap=posix_memalign,--wrap=_Znwm,--wrap=_Znam',
            '-Wl,--wrap=napi_create_function,--wrap=napi_add_finalizer,--wrap=napi_create_object,--wrap=napi_create_double',
            '-Wl,--wrap=napi_set_named_property,--wrap=napi_get_value_double,--wrap=napi_get_value_bool,--wrap=napi_typeof',
            '-Wl,--wrap=napi_is_typedarray,--wrap=napi_get_typedarray_info,--wrap=napi_call_function,--wrap=napi_create_promise',
            '-Wl,--wrap=napi_create_async_work,--wrap=napi_queue_async_work',
          ],
        }],
        ['target_arch=="x64"', { 'dependencies': ['kernels_avx2', 'kernels_avx512'] }],
        ['target_arch=="arm64"', { 'dependencies': ['kernels_neon'] }],
      ],
    },
  ],
  'conditions': [
    ['target_arch=="x64"', {
      'targets': [
        {
          'target_name': 'kernels_avx2',
          'win_delay_load_hook': 'false',
          'type': 'static_library',
          'sources': ['native/isa/avx2.cc'],
          'cflags_cc': ['<@(kernel_flags)', '<@(avx2_flags)'],
          'xcode_settings': { 'OTHER_CPLUSPLUSFLAGS': ['<@(kernel_flags)', '<@(avx2_flags)'] },
          'msvs_settings': { 'VCCLCompilerTool': { 'AdditionalOptions': ['<@(avx2_flags)'] } },
        },
        {
          'target_name': 'kernels_avx512',
          'win_delay_load_hook': 'false',
          'type': 'static_library',
          'sources': ['native/isa/avx512.cc'],
          'cflags_cc': ['<@(kernel_flags)', '<@(avx2_flags)', '<@(avx512_flags)', '<(wide_flag)'],
          'xcode_settings': { 'OTHER_CPLUSPLUSFLAGS': ['<@(kernel_flags)', '<@(avx2_flags)', '<@(avx512_flags)', '<(wide_flag)'] },
          'msvs_settings': { 'VCCLCompilerTool': { 'AdditionalOptions': ['<@(avx2_flags)', '<@(avx512_flags)', '/clang:<(wide_flag)'] } },
        },
      ],
    }],
    ['target_arch=="arm64"', {
      'targets': [
        {
          'target_name': 'kernels_neon',
          'win_delay_load_hook': 'false',
          'type': 'static_library',
          'sources': ['native/isa/neon.cc'],
          'cflags_cc': ['<@(kernel_flags)'],
          'xcode_settings': { 'OTHER_CPLUSPLUSFLAGS': ['<@(kernel_flags)'] },
        },
      ],
    }],
  ],
}
