using System.Collections.Immutable;
using Accelerated.Lab;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Agent;

/// <summary>
/// Another node holds this one's subnet: it takes a new one, and those who made something of the old one are told as --on-subnet-change
/// says. systemctl is a script here that writes down its arguments; the real one is met where systemd runs.
/// </summary>
public sealed class SubnetChangeTests(ITestOutputHelper output) : LabTest(output)
{
    [Fact]
    public async Task Subnet_IsAnothers_StatusNamesTheBridgeThatIsLeft()
    {
        var lab = await UpAsync(new LabSpec());
        await lab.StartAllAsync(cancel: Cancel);
        var (one, old) = (lab.Node(1), lab.Node(1).Subnet());

        await TakeAsync(lab, old);

        await Wait.UntilAsync("another subnet", () => one.Subnet().Subnet != old.Subnet, explain: one.LogTail, cancel: Cancel);
        await AgentSocket.WaitAsync(one, "the bridge that is left", s => AgentSocket.Problems(s).Contains("stale-bridge"));
        Assert.Contains($"cni0 has {old.Gateway}/24, which is not of this node's subnet {one.Subnet().Subnet}", (await one.ShowStatusAsync(Cancel)).Stdout, StringComparison.Ordinal);
        Assert.Contains($"this node's subnet was {old.Subnet} and is {one.Subnet().Subnet}", one.LogTail(), StringComparison.Ordinal);
        // The other's key is as it was put.
        Assert.Contains(await lab.Etcd.ListAsync(cancel: Cancel), k => k.Value.Contains("192.0.2.99", StringComparison.Ordinal));

        await one.RunAsync("sh", "-ec", $"ip address del {old.Gateway}/24 dev cni0; ip address add {one.Subnet().Gateway}/24 dev cni0");
        await AgentSocket.WaitAsync(one, "no problem", s => !AgentSocket.Problems(s).Any());
    }

    [Fact]
    public async Task Subnet_IsAnothers_EndsWithFourIfAskedTo()
    {
        var lab = await UpAsync(new LabSpec { AgentFlags = ["--on-subnet-change=exit"] });
        await lab.StartAllAsync(cancel: Cancel);
        var (one, old) = (lab.Node(1), lab.Node(1).Subnet());

        await TakeAsync(lab, old);

        await Wait.UntilAsync("its end", () => !one.AgentIsRunning, explain: one.LogTail, cancel: Cancel);
        Assert.Equal(4, one.AgentExitCode);
        Assert.NotEqual(old.Subnet, one.Subnet().Subnet);
        Assert.DoesNotContain("EINVAL", one.LogTail(), StringComparison.Ordinal);
        var now = one.Subnet();
        one.StartAgent();
        await one.WaitReadyAsync(cancel: Cancel);
        Assert.Equal(now.Subnet, one.Subnet().Subnet);
    }

    [Theory]
    [InlineData("exit 0", true)]
    [InlineData("echo 'Failed to try-restart nope.service: Unit nope.service not found.' >&2; exit 5", false)]
    public async Task Subnet_IsAnothers_UnitsAreRestarted(string systemctl, bool works)
    {
        var tools = Directory.CreateTempSubdirectory("systemctl-").FullName;
        File.WriteAllText(Path.Combine(tools, "systemctl"), $"#!/bin/sh\necho \"$@\" >>{tools}/said\n{systemctl}\n");
        File.SetUnixFileMode(Path.Combine(tools, "systemctl"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var lab = await UpAsync(new LabSpec
        {
            AgentFlags = ["--on-subnet-change=restart-units", "--restart-units=docker.service,nope.service"],
            AgentEnvironment = ImmutableDictionary<string, string>.Empty.Add("PATH", $"{tools}:{Environment.GetEnvironmentVariable("PATH")}"),
        });
        await lab.StartAllAsync(cancel: Cancel);
        var one = lab.Node(1);
        Assert.False(File.Exists($"{tools}/said"));

        await TakeAsync(lab, one.Subnet());

        await Wait.UntilAsync("systemctl to be run", () => File.Exists($"{tools}/said"), explain: one.LogTail, cancel: Cancel);
        Assert.Equal("--no-block --no-ask-password try-restart -- docker.service nope.service", File.ReadAllText($"{tools}/said").Trim());
        if (works)
        {
            await Wait.UntilAsync("another subnet", () => one.LogTail().Contains("restarting docker.service, nope.service", StringComparison.Ordinal), cancel: Cancel);
            Assert.DoesNotContain("restart-units", AgentSocket.Problems(await AgentSocket.StatusAsync(one)));
        }
        else
        {
            await AgentSocket.WaitAsync(one, "the failure", s => AgentSocket.Problems(s).Contains("restart-units"));
            Assert.Contains("Unit nope.service not found", (await one.ShowStatusAsync(Cancel)).Stdout, StringComparison.Ordinal);
        }

        Directory.Delete(tools, recursive: true);
    }

    private static Task<string> TakeAsync(NetworkLab lab, SubnetEnv subnet) => lab.Etcd.CtlAsync(
        "put", $"{LabEtcd.Prefix}/subnets/{subnet.Subnet.ToString().Replace('/', '-')}",
        """{"PublicIP":"192.0.2.99","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"02:00:00:00:00:63"}}""");
}
