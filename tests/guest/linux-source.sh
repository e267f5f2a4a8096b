# SPDX-License-Identifier: GPL-2.0-or-later
#
# What build-uml.sh and build-kcsan.sh share: a kernel of our own configuration, built
# from Debian's linux-source into the cache.  Sourced.  Who sources it sets
#	kind		the kernel's name in the cache
#	arch, image	ARCH= and the make target of the kernel itself
#	configuration	a function: prints what the kernel has on top of allnoconfig
#	recipe		a function: prints all that the result depends on, for its key
#	finish_source	a function: changes the unpacked source in $tree, and may do nothing
# and calls main_build with its arguments, which sets $tree.

. "$here/../lib/cache.sh"

series=6.12
source=/usr/src/linux-source-$series.tar.xz

# GPU drivers and other machines' code are two thirds of the source; leaving
# them out saves a minute.  Kconfig files stay, since the top one includes them.
unpack() {
	rm -rf "$tree"
	mkdir -p "$tree"
	local other=() name
	for name in alpha arc arm arm64 loongarch m68k mips powerpc riscv s390 sh sparc; do
		other+=("--exclude=*/arch/$name/*.[chS]" "--exclude=*/arch/$name/boot/dts")
	done
	tar -C "$tree" --strip-components=1 -xf "$source" "${other[@]}" \
		--exclude='*/drivers/gpu/*.[ch]' \
		--exclude='*/drivers/net/ethernet/*.[ch]' --exclude='*/drivers/net/wireless/*.[ch]' \
		--exclude='*/drivers/media/*.[ch]' --exclude='*/sound/*.[ch]' \
		--exclude='*/tools/testing/selftests' --exclude='*/Documentation/devicetree'
}

# Kconfig drops silently what it cannot satisfy.  A test kernel without what watches
# the code would pass everything, so that is an error here.
verify_config() {
	local line bad=0
	while read -r line; do
		[[ $line == *'--- optional'* ]] && break
		[[ $line == CONFIG_* ]] || continue
		if ! grep -qxF "$line" "$tree/.config"; then
			echo "${0##*/}: the kernel's configuration did not take $line" >&2
			bad=1
		fi
	done < "$fragment"
	return $bad
}

kmake() {
	make -s -C "$tree" ARCH="$arch" "$@"
}

build_tree() {
	unpack &&
	finish_source &&
	configuration > "$fragment" &&
	kmake allnoconfig KCONFIG_ALLCONFIG="$fragment" &&
	verify_config &&
	kmake -j"$(nproc)" "$image" modules &&
	kmake modules_install INSTALL_MOD_PATH="$tree/root" &&
	touch "$stamp"
}

build() {
	[[ -e $stamp ]] && return
	echo "${0##*/}: building Linux $version, $kind (5 minutes or more); log in $log" >&2
	build_tree > "$log" 2>&1 && return
	tail -n 30 "$log" >&2
	return 1
}

# main_build [--print-dir]
main_build() {
	local version fragment stamp log
	version=$(package_version linux-source-$series)
	tree=$REDO_CACHE/$kind-$version-$(recipe | sha256sum | cut -c1-12)
	fragment=$tree.config
	stamp=$tree/.redo-complete
	log=$tree.log

	case ${1:-} in
	--print-dir)
		[[ -e $stamp ]] || { echo "${0##*/}: not built yet" >&2; exit 1; } ;;
	'')
		with_lock "$kind" build ;;
	*)
		sed -n '/^# Usage/,/^$/s/^# \?//p' "$0"
		exit 2 ;;
	esac
}
