namespace Accelerated.System.Tests.Systemd;

/// <summary>Those who look after a host's interfaces leave the overlay's device alone.</summary>
public sealed class NetworkDaemonTests(Machines machines, ITestOutputHelper output) : MachineTest(machines, output)
{
    private const string Device = "flannel.1";

    [Fact]
    public async Task Networkd_Restarted_LeavesTheDeviceAlone()
    {
        await WaitReadyAsync(One);
        var before = await DeviceAsync();

        await One.RunAsync("systemctl", "restart", "systemd-networkd");

        await One.WaitAsync("its view", async () => (await One.RunAsync("networkctl", "list", "--no-legend", "--no-pager", Device)).Contains("unmanaged", StringComparison.Ordinal), cancel: Cancel);
        Assert.Equal(before, await DeviceAsync());
        Assert.True(await One.PingAsync(Machines.Far));
    }

    [Fact]
    public async Task NetworkManager_Started_LeavesTheDeviceAlone()
    {
        await WaitReadyAsync(One);
        var before = await DeviceAsync();
        // The machine's own interface stays networkd's.
        await One.ShellAsync("mkdir -p /run/NetworkManager/conf.d; printf '[keyfile]\\nunmanaged-devices=interface-name:host0\\n' >/run/NetworkManager/conf.d/host0.conf");
        await One.RunAsync("systemctl", "start", "NetworkManager");
        try
        {
            await One.WaitAsync("its view", async () => (await One.ExecAsync("nmcli", "-t", "-f", "DEVICE,STATE", "device")).Stdout.Contains($"{Device}:unmanaged", StringComparison.Ordinal), cancel: Cancel);
            Assert.Equal(before, await DeviceAsync());
        }
        finally
        {
            await One.RunAsync("systemctl", "stop", "NetworkManager");
        }

        Assert.True(await One.PingAsync(Machines.Far));
    }

    /// <summary>udev itself does not run on such a machine, where /sys is read-only; what it would do with a device it says all the same.</summary>
    [Fact]
    public async Task Udev_LooksAtTheDevice_KeepsItsAddress()
    {
        await WaitReadyAsync(One);

        var said = await One.RunAsync("udevadm", "test-builtin", "net_setup_link", $"/sys/class/net/{Device}");

        Assert.Contains("/systemd/network/70-accelerated.link\n", said, StringComparison.Ordinal);
    }

    // Of the peers one, which no test takes away: the third machine's may come and go while others look.
    private async Task<string> DeviceAsync() => await One.ShellAsync(
        $"ip -o link show {Device} | sed 's/ qlen.*//'; ip -o address show dev {Device} | grep -v inet6; ip route show match {Machines.Far} dev {Device} | grep .; bridge fdb show dev {Device} | grep 'dst {Machines.Two.Address} '");
}
