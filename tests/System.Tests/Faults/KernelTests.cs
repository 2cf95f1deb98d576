using System.Globalization;
using Accelerated.Lab;
using Accelerated.System.Tests.Agent;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Faults;

/// <summary>The kernel itself refuses: for seconds it has no memory for anything that the agent would send it.</summary>
public sealed class KernelTests(ITestOutputHelper output) : LabTest(output)
{
    [Fact]
    public async Task Kernel_TakesNoRequestForSeconds_AgentLivesAndCatchesUp()
    {
        var lab = await UpAsync(new LabSpec { Nodes = 2, Datapath = LabSpec.BpfDatapath, AgentFlags = ["--reconcile-interval=1s"] });
        await using var scene = await FaultScene.BeginAsync(lab, Output);
        var process = scene.Node.AgentProcessId.ToString(CultureInfo.InvariantCulture);

        // Netlink requests and what goes to etcd are both sent by sendto(2).
        await using (var refusing = scene.Node.Start("strace", "-f", "-qq", "-e", "trace=sendto", "-e", "inject=sendto:error=ENOBUFS", "-o", "/dev/null", "-p", process))
        {
            await scene.Node.WaitAgentAsync("the kernel's refusal", () => Task.FromResult(File.ReadAllText(scene.Node.LogFile).Contains("ENOBUFS", StringComparison.Ordinal)), cancel: Cancel);
            await scene.LastAsync(TimeSpan.FromSeconds(5));
            Assert.True(scene.Node.AgentIsRunning);
            await refusing.StopAsync("INT");
        }

        scene.Mark();
        await scene.PutStrangerAsync();
        await scene.RecoverAsync("kernel-refuses");
        await AgentSocket.WaitAsync(scene.Node, "the end of all problems", s => !AgentSocket.Problems(s).Any() && (string?)s["datapath"] == "bpf");
        await scene.EndAsync();
    }
}
