using Accelerated.Lab;

namespace Accelerated.System.Tests.Agent;

/// <summary>Steps that several test classes take.</summary>
internal static class LabSteps
{
    /// <summary>Starts every agent and waits until each is ready; containers, where there are any, are attached already.</summary>
    public static async Task StartAllWithoutPodsAsync(this NetworkLab lab, CancellationToken cancel)
    {
        foreach (var node in lab.Nodes)
            node.StartAgent();
        await lab.EachNodeAsync((node, token) => new ValueTask(node.WaitReadyAsync(cancel: token)), cancel);
    }

    /// <summary>Waits until the kernel is done with the device's link-local address: until then it has events and words of its own.</summary>
    public static Task WaitLinkLocalAsync(this LabNode node, CancellationToken cancel) =>
        Wait.UntilAsync(
            $"the link-local address of {node.Namespace}",
            async () => await node.RunAsync("ip", "-6", "address", "show", "dev", Overlay.Device) is var shown
                && shown.Contains("fe80::", StringComparison.Ordinal) && !shown.Contains("tentative", StringComparison.Ordinal),
            cancel: cancel);

    /// <summary>Waits until the agent has made a file.</summary>
    public static Task WaitFileAsync(this LabNode node, string path, TimeSpan? deadline = null) =>
        node.WaitAgentAsync(path, () => Task.FromResult(File.Exists(path)), deadline, TestContext.Current.CancellationToken);

    /// <summary>The value of a subnet lease as flannel and the agent write it.</summary>
    public static string LeaseValue(string publicIP, string mac) =>
        $$$"""{"PublicIP":"{{{publicIP}}}","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"{{{mac}}}"}}""";

    /// <summary>The key of a subnet, as <c>10.5.60.0/24</c>.</summary>
    public static string KeyName(string subnet) => $"{LabEtcd.Prefix}/subnets/{subnet.Replace('/', '-')}";

    /// <summary>The key of a node, found by its PublicIP.</summary>
    public static EtcdKey KeyOf(this IEnumerable<EtcdKey> keys, LabNode node) =>
        keys.Single(k => k.Value.Contains($"\"PublicIP\":\"{node.Address}\"", StringComparison.Ordinal));
}
