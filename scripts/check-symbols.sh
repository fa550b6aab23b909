#!/bin/sh
# What a kernel object may not hold: an inline function that the linker could pick for another level, a second export, or,
# in the baseline, a register that an old CPU lacks. check-symbols.sh OBJECT_OR_ARCHIVE … (not on sanitizer builds)
set -eu
failed=0
fail() {
  echo "$1: $2" >&2
  failed=1
}
for object in "$@"; do
  weak=$(nm "$object" | grep -E ' [WVuvw] ' || true)
  [ -z "$weak" ] || fail "$object" "weak or unique symbols:
$weak"
  exports=$(nm "$object" | awk '$2 ~ /^[ABCDGRST]$/ { print $3 }')
  case $exports in
    hypersphere_kernels_baseline | hypersphere_kernels_avx2 | hypersphere_kernels_avx512 | hypersphere_kernels_neon) ;;
    *) fail "$object" "exports should be one kernel table, not: $exports" ;;
  esac
  initialisers=$(objdump -h "$object" 2>/dev/null | grep -E '\.(init_array|ctors)' || true)
  [ -z "$initialisers" ] || fail "$object" "static initialisers: $initialisers"
  if [ "$exports" = hypersphere_kernels_baseline ] && objdump -d "$object" 2>/dev/null | grep -qE '%[yz]mm'; then
    fail "$object" "wide registers in the baseline"
  fi
done
[ "$failed" = 0 ] && echo "$# kernel objects are clean"
exit "$failed"
