using System.Globalization;
using System.Text.RegularExpressions;

namespace Accelerated.System.Tests.Systemd;

/// <summary>The unit's hardening: in force, and nothing the agent does falls to it; and what is missing is named.</summary>
public sealed partial class HardeningTests(Machines machines, ITestOutputHelper output) : MachineTest(machines, output)
{
    private const double MostExposure = 3.0;

    [Fact]
    public async Task Unit_AsShipped_IsWithoutComplaint() =>
        // Of docker.service and containerd.service, which are not here, it says nothing; other people's units are theirs.
        Assert.DoesNotContain(Unit, (await One.ExecAsync("systemd-analyze", "verify", "--man=no", "/lib/systemd/system/accelerated.service")).Stderr, StringComparison.Ordinal);

    [Fact]
    public async Task Service_Hardened_IsConfinedAndUsesEveryLane()
    {
        await WaitReadyAsync(One);
        var process = await ProcessAsync(One);

        var score = await One.RunAsync("systemd-analyze", "security", "--no-pager", Unit);
        Output.WriteLine($"measured: {score.TrimEnd().Split('\n')[^1]}");
        Assert.InRange(double.Parse(Exposure().Match(score).Groups[1].Value, CultureInfo.InvariantCulture), 0, MostExposure);
        var own = await One.RunAsync("cat", $"/proc/{process}/status");
        // net_admin, net_raw, sys_admin, perfmon, bpf; without new privileges; with a filter of system calls.
        Assert.Matches(@"(?s)CapEff:\s+000000c000203000\n.*NoNewPrivs:\s+1\n.*Seccomp:\s+2\n", own);
        foreach (var path in (string[])["/usr/x", "/etc/x", "/var/lib/x", "/run/x", "/sys/kernel/x", "/proc/sys/kernel/domainname", "/boot/x"])
            Assert.False((await One.ExecAsync("nsenter", "-t", $"{process}", "-m", "--", "sh", "-c", $"echo x >>{path}")).Succeeded, path);
        var lanes = (await One.StatusAsync())!;
        Assert.Equal(("bpf", "lane 1 out and in; lane 2 out and in"), ((string?)lanes["datapath"], (string?)lanes["datapathReason"]));
        Assert.Equal("1", (await One.RunAsync("cat", "/proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal")).Trim());
    }

    /// <summary>iptables-legacy wants a raw socket and a lock file in /run.</summary>
    [Theory]
    [InlineData("iptables-nft")]
    [InlineData("iptables-legacy")]
    public async Task Service_Hardened_WritesIntoChainsOfIptables(string tool)
    {
        await WaitReadyAsync(One);
        await One.RunAsync(tool, "-P", "FORWARD", "DROP");
        try
        {
            await One.WaitAsync("our rules", async () => (await One.RunAsync(tool, "-S", "FORWARD")).Contains("accelerated default", StringComparison.Ordinal), TimeSpan.FromSeconds(40), Cancel);
        }
        finally
        {
            await One.RunAsync(tool, "-P", "FORWARD", "ACCEPT");
        }

        await One.WaitAsync("their end", async () => !(await One.RunAsync(tool, "-S", "FORWARD")).Contains("accelerated default", StringComparison.Ordinal), TimeSpan.FromSeconds(40), Cancel);
    }

    [Fact]
    public async Task Unit_WithoutCapabilities_SaysWhatIsMissing()
    {
        await using (await Machines.WithAsync(One, "[Service]\nCapabilityBoundingSet="))
        {
            await One.WaitAsync("the reason", async () => (await One.ShowAsync(Unit, "StatusText")).Contains("CAP_NET_ADMIN", StringComparison.Ordinal), cancel: Cancel);
            Assert.Contains(await One.JournalAsync("-u", Unit, "-p", "crit", "-n", "20"), e => ((string?)e["MESSAGE"])?.Contains("CAP_NET_ADMIN", StringComparison.Ordinal) == true);
        }

        await WaitReadyAsync(One);
    }

    [Fact]
    public async Task Unit_WithoutCapabilityForBpf_CarriesPacketsByTheDriver()
    {
        await using (await Machines.WithAsync(One, "[Service]\nCapabilityBoundingSet=\nCapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW"))
        {
            await WaitReadyAsync(One);
            Assert.Contains("kernel vxlan", await One.ShowAsync(Unit, "StatusText"), StringComparison.Ordinal);
            Assert.Contains("CAP_BPF", (string?)(await One.StatusAsync())!["datapathReason"], StringComparison.Ordinal);
            Assert.True(await One.PingAsync(Machines.Far));
        }

        await WaitReadyAsync(One);
        Assert.Equal("bpf", (string?)(await One.StatusAsync())!["datapath"]);
    }

    /// <summary>The agent's own view of the mounts follows the host's.</summary>
    [Fact]
    public async Task BpfFileSystem_NotMounted_IsNamedAndNoticedWhenItComes()
    {
        await One.RunAsync("systemctl", "stop", Unit);
        // What is pinned ends with a BPF file system that is mounted nowhere any more; this one is mounted outside of the machine as well.
        await One.RunAsync("sh", "-ec", "rm -r /sys/fs/bpf/accelerated; umount /sys/fs/bpf");
        await One.RunAsync("systemctl", "start", Unit);
        await WaitReadyAsync(One);
        Assert.Contains("/sys/fs/bpf is not on a BPF file system", (string?)(await One.StatusAsync())!["datapathReason"], StringComparison.Ordinal);
        Assert.True(await One.PingAsync(Machines.Far));

        await One.RunAsync("mount", "-t", "bpf", "bpf", "/sys/fs/bpf");

        await One.WaitAsync("the lanes", async () => (string?)(await One.StatusAsync())?["datapath"] == "bpf", cancel: Cancel);
        Assert.True(await One.PingAsync(Machines.Far));
    }

    [GeneratedRegex(@"exposure level for accelerated\.service: ([0-9.]+)")]
    private static partial Regex Exposure();
}
