"""Flatcar nodes on libvirt. Everything is set by config (`pulumi config set count 3`); Pulumi.yaml lists the keys."""

import pulumi

import flatprov as fp

config = pulumi.Config()
own = config.get_object("image")  # {path or url, sha512, version, ignition}: an own image in place of a release
image = fp.Image("own", unsigned=True, **own) if own else fp.Release("flatcar", channel=config.require("channel"))
pool = fp.NodePool(
    config.require("pool"),
    platform=fp.libvirt.Platform(
        hosts=[fp.libvirt.Host(config.require("uri"), pool=config.require("storagePool"), name="local")],
        network=fp.libvirt.Network(cidr=config.require("cidr")),
        accelerator=config.require("accelerator"),
        prefix=config.get("prefix") or "",
    ),
    image=image,
    count=config.require_int("count"),
    machine=fp.Machine(config.require_int("vcpus"), config.require("memory"), config.require("disk")),
    ignition=fp.Ignition(users=[fp.User("core", ssh_keys=config.require_object("sshKeys"))]),
    timeouts=fp.Timeouts(boot=config.require("bootTimeout")),
)
pulumi.export(
    "nodes",
    [
        {
            "name": node.name,
            "address": node.address,
            "host": node.host,
            "release": node.version,
            "accelerator": node.accelerator,
            "bootSeconds": node.boot_seconds,
            "ready": node.ready,
        }
        for node in pool.nodes
    ],
)
pulumi.export("addresses", pool.addresses)
