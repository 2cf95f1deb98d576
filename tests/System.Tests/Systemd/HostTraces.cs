using Accelerated.Lab;

namespace Accelerated.System.Tests.Systemd;

/// <summary>What a package and its service may leave on a host, as text that can be compared.</summary>
internal static class HostTraces
{
    /// <summary>
    /// Files but for those that every minute of a machine's life changes, devices, routes, rules, units and what is pinned. The lock of
    /// iptables stays: whoever holds it would hold another file than the next one. Commands may fail there, since absence is what is looked for.
    /// </summary>
    public static Task<string> OfAsync(SystemdMachine machine) => machine.ShellAsync("""
        find / -xdev \( -path /var/log -o -path /var/lib/dpkg -o -path /var/lib/systemd -o -path /var/cache -o -path /root -o -path /tmp -o -path /var/tmp \) -prune -o \
            ! -type d -print ! -name '*.pyc' | sort
        find /run \( -path /run/systemd -o -path /run/udev -o -path /run/log -o -path /run/host -o -path /run/netns -o -path /run/lock -o -path /run/xtables.lock \) -prune -o -print | sort
        find /sys/fs/bpf | sort
        ls /var/lib /etc
        ls /var/lib/systemd/deb-systemd-helper-enabled /var/lib/systemd/deb-systemd-helper-masked 2>/dev/null || true
        ip -o link show type vxlan
        ip route show proto 143
        nft list tables
        systemctl list-unit-files --no-legend --no-pager 'accelerated*' || true
        systemctl list-units --all --no-legend --no-pager 'accelerated*'
        dpkg-query --show accelerated 2>/dev/null || true
        """);
}
