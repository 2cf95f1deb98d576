using Accelerated.Lab;

namespace Accelerated.System.Tests.Systemd;

/// <summary>The agent on the system bus of a machine, with the policy and the hardening of the package.</summary>
public sealed class BusTests(Machines machines, ITestOutputHelper output) : MachineTest(machines, output)
{
    private const string BusName = "org.accelerated.Agent1";
    private const string Path = "/org/accelerated/Agent1/default";

    [Fact]
    public async Task Object_OnTheSystemBus_IsReadByEverybodyAndCalledByRootAlone()
    {
        await WaitReadyAsync(One);
        await One.WaitAsync("Ready", async () => (await GetAsync("Ready")).Trim() == "b true", cancel: Cancel);

        Assert.Equal("u 2", (await GetAsync("Peers")).Trim());
        var (datapath, reason) = ("", "");
        await Wait.UntilAsync(
            "the lanes", async () => ((datapath, reason) = ((await GetAsync("Datapath")).Trim(), await GetAsync("DatapathReason"))) is ("s \"bpf\"", _),
            explain: () => $"{datapath}: {reason}", cancel: Cancel);
        Assert.Equal("b true", (await One.RunAsync("runuser", "-u", "nobody", "--", "busctl", "get-property", BusName, Path, BusName, "EtcdConnected")).Trim());
        var refused = await One.ExecAsync("runuser", "-u", "nobody", "--", "busctl", "call", BusName, Path, BusName, "Reconcile");
        Assert.NotEqual(0, refused.ExitCode);
        Assert.Contains("denied", refused.Stderr, StringComparison.OrdinalIgnoreCase);
        await One.RunAsync("busctl", "call", BusName, Path, BusName, "Reconcile");
    }

    [Fact]
    public async Task NetworkManager_WithoutThePackagesSetting_IsToldToLeaveTheDeviceAlone()
    {
        await WaitReadyAsync(One);
        // A file of the same name in /etc takes the place of the package's.
        await One.ShellAsync("""
            mkdir -p /etc/NetworkManager/conf.d /run/NetworkManager/conf.d
            : >/etc/NetworkManager/conf.d/50-accelerated.conf
            printf '[keyfile]\nunmanaged-devices=interface-name:host0\n' >/run/NetworkManager/conf.d/host0.conf
            """);
        try
        {
            await One.RunAsync("systemctl", "start", "NetworkManager");

            await One.WaitAsync("a device that is left alone", async () => (await One.RunAsync("nmcli", "--terse", "--fields", "DEVICE,STATE", "device")).Split('\n').Contains("flannel.1:unmanaged"), cancel: Cancel);
            await One.WaitAsync("word of it", async () => (await One.JournalTailAsync()).Contains("NetworkManager leaves flannel.1 alone", StringComparison.Ordinal), cancel: Cancel);
        }
        finally
        {
            await One.ShellAsync("systemctl stop NetworkManager; rm -r /etc/NetworkManager/conf.d/50-accelerated.conf");
        }

        Assert.True(await One.PingAsync(Machines.Far));
    }

    /// <summary>The service of the distribution, with the hardening of ours; what else there is to firewalld is in Bus.FirewalldTests.</summary>
    [Fact]
    public async Task Firewalld_StartedAndReloaded_LetsTheOverlayThrough()
    {
        await WaitReadyAsync(One);
        try
        {
            await One.RunAsync("systemctl", "start", "firewalld");
            // What containers' bridges get is the runtime's business: Docker has a zone of its own.
            await One.RunAsync("firewall-cmd", "--zone=trusted", "--add-interface=cni0");
            await WaitOpenAsync();
            Assert.True(await One.PingAsync(Machines.Far));

            await One.RunAsync("firewall-cmd", "--reload");

            await WaitOpenAsync();
            await One.RunAsync("firewall-cmd", "--zone=trusted", "--add-interface=cni0");
            Assert.True(await One.PingAsync(Machines.Far));
        }
        finally
        {
            await One.RunAsync("systemctl", "stop", "firewalld");
        }

        await WaitReadyAsync(One);
        Assert.True(await One.PingAsync(Machines.Far));
    }

    [Fact]
    public async Task Bus_StartedAgain_HasTheAgentBack()
    {
        await WaitReadyAsync(One);
        var process = await ProcessAsync(One);

        await One.RunAsync("systemctl", "restart", "dbus");

        await One.WaitAsync("Ready", async () => (await GetAsync("Ready")).Trim() == "b true", cancel: Cancel);
        Assert.Equal(process, await ProcessAsync(One));
    }

    private Task WaitOpenAsync() => One.WaitAsync("a port and a device that firewalld lets in", async () =>
        (await One.ExecAsync("firewall-cmd", "--zone=public", "--query-port=8472/udp")).Succeeded && (await One.ExecAsync("firewall-cmd", "--zone=trusted", "--query-interface=flannel.1")).Succeeded, cancel: Cancel);

    private async Task<string> GetAsync(string property) => (await One.ExecAsync("busctl", "get-property", BusName, Path, BusName, property)).Stdout;
}
