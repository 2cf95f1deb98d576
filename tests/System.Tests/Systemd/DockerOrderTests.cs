using System.Globalization;
using Accelerated.Lab;

namespace Accelerated.System.Tests.Systemd;

/// <summary>
/// Docker's unit and ours. The unit is a stand-in with the name, and the one thing, that matter here: like Debian's it hands
/// <c>$DOCKER_OPTS</c> to its program, which writes them down.
/// </summary>
public sealed class DockerOrderTests(Machines machines, ITestOutputHelper output) : MachineTest(machines, output)
{
    private const string Docker = "docker";

    [Fact]
    public async Task Docker_Started_WaitsForTheAgentAndGetsItsSubnet()
    {
        await using var docker = await DockerAsync();
        await One.RunAsync("systemctl", "stop", Unit);

        await One.RunAsync("systemctl", "start", Docker);

        Assert.Equal("active", await One.ShowAsync(Unit, "ActiveState"));
        await AssertOrderAsync();
        Assert.Equal(await WantedOptionsAsync(), await OptionsAsync());
        // What the last start was given does not pile up, and the agent's end is not Docker's.
        await One.RunAsync("systemctl", "restart", Docker);
        Assert.Equal(await WantedOptionsAsync(), await OptionsAsync());
        await One.RunAsync("systemctl", "restart", Unit);
        await One.RunAsync("systemctl", "stop", Unit);
        Assert.Equal("active", await One.ShowAsync(Docker, "ActiveState"));
        await One.RunAsync("systemctl", "start", Unit);
        await WaitReadyAsync(One);
    }

    [Fact]
    public async Task Docker_AgentCannotStart_RunsAllTheSame()
    {
        await using var docker = await DockerAsync();
        await using (await Machines.WithAsync(One, "[Service]\nEnvironment=ACCELERATED_GUARD=maybe"))
        {
            await One.RunAsync("systemctl", "restart", Docker);

            Assert.Equal(("failed", "active"), (await One.ShowAsync(Unit, "ActiveState"), await One.ShowAsync(Docker, "ActiveState")));
        }

        await WaitReadyAsync(One);
    }

    [Fact]
    public async Task Machine_BootsWhileEtcdIsAway_CarriesPacketsBeforeDockerStarts()
    {
        await using var docker = await DockerAsync();
        await One.RunAsync("systemctl", "enable", Docker);
        var subnet = await WantedOptionsAsync();
        await Machines.Lab.Etcd.StopAsync("KILL");
        try
        {
            await One.RebootAsync(Cancel);

            await One.WaitAsync("Docker", async () => await One.ShowAsync(Docker, "ActiveState") == "active", cancel: Cancel);
            Assert.Equal("active", await One.ShowAsync(Unit, "ActiveState"));
            Assert.Contains("(provisional)", await One.ShowAsync(Unit, "StatusText"), StringComparison.Ordinal);
            await AssertOrderAsync();
            Assert.Equal(subnet, await OptionsAsync());
            Output.WriteLine("measured: " + (await One.RunAsync("systemd-analyze", "blame", "--no-pager")).Split('\n').FirstOrDefault(l => l.Contains(Unit, StringComparison.Ordinal))?.Trim());
            await One.AttachContainerAsync();
            await One.WaitAsync("packets to the other machine", async () => await One.PingAsync(Machines.Far), cancel: Cancel);
        }
        finally
        {
            await Machines.Lab.Etcd.StartAsync(Cancel);
        }

        await WaitReadyAsync(One);
        Assert.Equal(subnet, await WantedOptionsAsync());
        Assert.True(await One.PingAsync(Machines.Far));
    }

    [Fact]
    public async Task Subnet_BecomesAnothers_RestartsDocker()
    {
        await using var docker = await DockerAsync();
        await using (await Machines.WithAsync(One, "[Service]\nEnvironment=ACCELERATED_ON_SUBNET_CHANGE=restart-units ACCELERATED_RESTART_UNITS=docker.service"))
        {
            await WaitReadyAsync(One);
            await One.RunAsync("systemctl", "restart", Docker);
            var (options, run) = (await OptionsAsync(), await One.ShowAsync(Docker, "InvocationID"));
            var taken = (await One.ShellAsync(". /run/flannel/subnet.env; echo ${FLANNEL_SUBNET%.*}.0-24")).Trim();

            await Machines.Lab.Etcd.CtlAsync(
                "put", $"{LabEtcd.Prefix}/subnets/{taken}", """{"PublicIP":"192.0.2.99","BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"02:00:00:00:00:63"}}""");

            await One.WaitAsync("another start of Docker", async () => await One.ShowAsync(Docker, "InvocationID") != run
                && await One.ShowAsync(Docker, "ActiveState") == "active" && await OptionsAsync() == await WantedOptionsAsync(), cancel: Cancel);
            Assert.NotEqual(options, await OptionsAsync());
            await Machines.Lab.Etcd.CtlAsync("del", $"{LabEtcd.Prefix}/subnets/{taken}");
        }

        await WaitReadyAsync(One);
        await Machines.AttachAsync();
    }

    private async Task<IAsyncDisposable> DockerAsync()
    {
        await One.ShellAsync("""
            cat >/etc/systemd/system/docker.service <<'END'
            [Service]
            Type=oneshot
            RemainAfterExit=yes
            ExecStart=/bin/sh -c 'echo $DOCKER_OPTS >/run/docker.opts'
            [Install]
            WantedBy=multi-user.target
            END
            systemctl daemon-reload
            """);
        await One.RunAsync("systemctl", "reenable", Unit);
        return new Removal(One);
    }

    /// <summary>The agent was ready before Docker's program was started.</summary>
    private async Task AssertOrderAsync()
    {
        var ready = long.Parse(await One.ShowAsync(Unit, "ActiveEnterTimestampMonotonic"), CultureInfo.InvariantCulture);
        var docker = long.Parse(await One.ShowAsync(Docker, "ExecMainStartTimestampMonotonic"), CultureInfo.InvariantCulture);
        Output.WriteLine($"measured: Docker's program started {(docker - ready) / 1000.0:0} ms after the agent was ready");
        Assert.InRange(ready, 1, docker);
    }

    private async Task<string> OptionsAsync() => (await One.RunAsync("cat", "/run/docker.opts")).Trim();

    private async Task<string> WantedOptionsAsync() =>
        (await One.ShellAsync(". /run/flannel/subnet.env; echo --bip=$FLANNEL_SUBNET --ip-masq=false --mtu=$FLANNEL_MTU")).Trim();

    private sealed class Removal(SystemdMachine machine) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync() => await machine.ShellAsync(
            "systemctl disable --now docker; rm -f /etc/systemd/system/docker.service /run/docker.opts; systemctl daemon-reload; systemctl reset-failed");
    }
}
