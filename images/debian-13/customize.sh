#!/bin/sh
# Turns the plain Debian tree into the image. mmdebstrap runs it when the packages are installed.
#   $1                the tree
#   $SKERRY_RECIPE    this directory
#   $SKERRY_INPUTS    node/ deno/ npm/ (unpacked npm packages) and certificates/ (*.crt, extra roots)
set -eu
root=$1
recipe=$SKERRY_RECIPE
inputs=$SKERRY_INPUTS

# Configuration. What mmdebstrap wrote for its own run goes.
rm -f "$root/etc/apt/sources.list" "$root"/etc/apt/sources.list.d/0000* \
  "$root/etc/apt/apt.conf.d/99mmdebstrap" "$root/etc/dpkg/dpkg.cfg.d/99mmdebstrap"
cp -R --no-preserve=mode,ownership "$recipe/files/." "$root/"
chmod 0440 "$root/etc/sudoers.d/skerry"
cp "$root/etc/skerry/environment" "$root/etc/environment"

# Node, npm and npx; Deno.
install -m 0755 "$inputs/node/bin/node" "$root/usr/local/bin/node"
mkdir -p "$root/usr/local/lib/node_modules"
cp -R --no-preserve=ownership "$inputs/npm" "$root/usr/local/lib/node_modules/npm"
rm -rf "$root/usr/local/lib/node_modules/npm/docs" "$root/usr/local/lib/node_modules/npm/man"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/local/bin/npm"
ln -s ../lib/node_modules/npm/bin/npx-cli.js "$root/usr/local/bin/npx"
chmod 0755 "$root/usr/local/lib/node_modules/npm/bin/npm-cli.js" \
  "$root/usr/local/lib/node_modules/npm/bin/npx-cli.js"
install -m 0755 "$inputs/deno/deno" "$root/usr/local/bin/deno"

# pip installs where it is told to: there is no system here that it could break.
printf '[global]\nbreak-system-packages = true\n' >"$root/etc/pip.conf"

# The user. It owns /usr/local too, so that `npm install --global` needs no sudo.
chroot "$root" groupadd --gid 1000 sandbox
chroot "$root" useradd --uid 1000 --gid 1000 --create-home --shell /bin/bash --comment '' sandbox
cp "$root/etc/skel/.bashrc" "$root/root/.bashrc"
cp "$root/etc/skel/.profile" "$root/root/.profile"
chroot "$root" chown -R sandbox:sandbox /usr/local
ln -s sandbox "$root/home/app"
mkdir -p "$root/app" "$root/data" "$root/workspace"
chroot "$root" chown sandbox:sandbox /app /data /workspace
chmod 1777 "$root/data"

# Certificate authorities that this host trusts beyond Debian's own.
for certificate in "$inputs"/certificates/*.crt; do
  [ -e "$certificate" ] || continue
  install -D -m 0644 "$certificate" "$root/usr/local/share/ca-certificates/host/${certificate##*/}"
done
chroot "$root" update-ca-certificates --fresh >/dev/null

# Identity and network are given to each machine when it starts.
: >"$root/etc/machine-id"
rm -f "$root/var/lib/dbus/machine-id" "$root"/etc/ssh/ssh_host_*
echo localhost >"$root/etc/hostname"
printf '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n' >"$root/etc/hosts"
rm -f "$root/etc/resolv.conf"
: >"$root/etc/resolv.conf"
printf 'passwd: files\ngroup: files\nshadow: files\nhosts: files myhostname dns\nnetworks: files\n' >"$root/etc/nsswitch.conf"
printf 'protocols: files\nservices: files\nethers: files\nrpc: files\n' >>"$root/etc/nsswitch.conf"

# The kernel's modules are on the runtime disk, where PID 1 puts it.
[ -e "$root/usr/lib/modules" ] || ln -s /.skerry/runtime/lib/modules "$root/usr/lib/modules"

# Nothing that only a build needs.
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/* "$root"/var/cache/debconf/*-old \
  "$root"/var/cache/ldconfig/aux-cache "$root"/var/log/* "$root"/var/lib/dpkg/*-old \
  "$root"/usr/share/doc-base "$root"/usr/share/man/*
mkdir -p "$root/var/lib/apt/lists/partial" "$root/var/cache/apt/archives/partial" "$root/var/log/apt"
