"""A pool of web servers on one libvirt host: `pulumi up` in a project whose main is this file."""

import pulumi

import flatprov as fp

UNIT = """[Unit]
Description=A web server
After=network-online.target
Wants=network-online.target

[Service]
ExecStart=/usr/bin/docker run --rm --name web -p 80:80 nginx:1.29
ExecStop=/usr/bin/docker stop web
Restart=always

[Install]
WantedBy=multi-user.target
"""

config = pulumi.Config()
pool = fp.NodePool(
    "web",
    platform=fp.libvirt.Platform(hosts=[fp.libvirt.Host(config.require("uri"))]),
    image=fp.Release("flatcar", channel="stable"),
    count=2,
    machine=fp.Machine(vcpus=2, memory="2GiB", disk="20GiB"),
    ignition=fp.Ignition(
        users=[fp.User("core", ssh_keys=[config.require("sshKey")])],
        files=[fp.File("/etc/app/token", config.require_secret("token"), mode=0o600)],
        units=[fp.Unit("web.service", contents=UNIT)],
    ),
    rollout=fp.Rollout(max_unavailable=1),
)
pulumi.export("addresses", pool.addresses)
