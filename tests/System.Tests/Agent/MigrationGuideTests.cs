using Accelerated.Lab;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Agent;

/// <summary>
/// The commands of docs/from-flannel.md, as they stand there, on a recorded host. What they are to the host's systemd is a stand-in that starts and
/// stops the same processes; everything else is the real thing.
/// </summary>
public sealed class MigrationGuideTests(ITestOutputHelper output) : LabTest(output)
{
    [Fact]
    public async Task Guide_StepByStep_TakesANodeThereAndBackWithoutLosingAPacket()
    {
        var lab = await UpAsync(new LabSpec { Nodes = 2 });
        await RecordedFlannel.SeedAsync(lab.Etcd, RecordedFlannel.SubnetKeys);
        foreach (var each in lab.Nodes)
        {
            await RecordedFlannel.InstallAsync(each);
            await RecordedFlannel.InstallRulesAsync(each);
            await each.AttachPodsAsync(Cancel);
        }

        var node = lab.Node(1);
        await using var host = new Systemd(lab, node);
        await host.RunAsync("systemctl enable --now flanneld");
        await using var ping = lab.Pod(1, 1).StartPing(lab.Pod(2, 1).Address, TimeSpan.FromMilliseconds(1));
        await using var back = lab.Pod(2, 1).StartPing(lab.Pod(1, 1).Address, TimeSpan.FromMilliseconds(1));
        await ping.WaitAnswersAsync(100, cancel: Cancel);

        foreach (var (chapter, commands) in Chapters())
        {
            Output.WriteLine($"— {chapter}");
            foreach (var command in commands)
            {
                Output.WriteLine($"$ {command}\n{await host.RunAsync(command)}");
                await ping.WaitAnswersAsync(100, cancel: Cancel);
                await back.WaitAnswersAsync(100, cancel: Cancel);
            }

            switch (chapter)
            {
                case "migrate":
                    await AgentSocket.WaitAsync(node, "the left-over rules", s => AgentSocket.Problems(s).Contains("flannel-rules"));
                    break;
                case "rules":
                    await AgentSocket.WaitAsync(node, "health", s => (string?)s["health"] == "ok");
                    Assert.DoesNotContain("FLANNEL-", await node.RunAsync("iptables-nft-save"), StringComparison.Ordinal);
                    break;
                case "rollback":
                    Assert.Equal("", await Overlay.RulesAsync(node));
                    Assert.Contains("FLANNEL-FWD", await node.RunAsync("iptables-nft-save"), StringComparison.Ordinal);
                    Assert.Contains("protocol boot", await Overlay.OfKernelAsync(node), StringComparison.Ordinal);
                    break;
                default:
                    Assert.Fail($"nothing is checked after the chapter {chapter}");
                    break;
            }
        }

        foreach (var result in (PingResult[])[await ping.StopAsync(), await back.StopAsync()])
        {
            Output.WriteLine($"measured: {result}");
            Assert.InRange(result.AfterLastAnswer, 0, 50); // Under way when ping was stopped.
            Assert.Equal(result.Received, result.Sent - result.AfterLastAnswer);
        }
    }

    /// <summary>The blocks that begin with <c>```sh NAME</c>: their names and lines.</summary>
    private static List<(string Chapter, string[] Commands)> Chapters()
    {
        var chapters = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "docs", "from-flannel.md")).Split("\n```sh ").Skip(1)
            .Select(block => block.Split("\n```")[0].Split('\n')).Select(lines => (lines[0], lines[1..])).ToList();
        Assert.Equal(["migrate", "rules", "rollback"], chapters.Select(c => c.Item1));
        return chapters;
    }

    /// <summary>Does what the guide's commands say on one host.</summary>
    private sealed class Systemd(NetworkLab lab, LabNode node) : IAsyncDisposable
    {
        private BackgroundCommand? _flannel;

        public async Task<string> RunAsync(string command)
        {
            switch (command.Split(' '))
            {
                case ["systemctl", "enable", "--now", "flanneld"]:
                    await RecordedFlannel.TakeBackAsync(node, lab.Etcd);
                    _flannel = await FlannelDaemon.StartAsync(lab, node, "", $"--etcd-endpoints={lab.Layout.EtcdEndpoint}", "--ip-masq");
                    return "";
                case ["systemctl", "disable", "--now", "flanneld"]:
                    await _flannel!.StopAsync("TERM");
                    return "";
                case ["systemctl", "enable", "--now", "accelerated"]:
                    node.StartAgent();
                    await node.WaitReadyAsync(cancel: Cancel);
                    return "";
                case ["systemctl", "disable", "--now", "accelerated"]:
                    Assert.Equal(0, await node.StopAgentAsync());
                    return "";
                case ["accelerated", "status"]:
                    var status = await node.ShowStatusAsync(Cancel);
                    Assert.Equal(0, status.ExitCode);
                    return status.Stdout;
                case ["accelerated", "cleanup", .. var flags]:
                    var cleanup = await node.CleanupAsync(flags);
                    Assert.Equal((0, ""), (cleanup.ExitCode, cleanup.Stderr));
                    return cleanup.Stdout;
                default:
                    throw new InvalidOperationException($"the guide has a command that this test does not know: {command}");
            }
        }

        public async ValueTask DisposeAsync()
        {
            if (_flannel is not null)
                await _flannel.DisposeAsync();
        }
    }
}
