using System.Net;
using System.Text.Json.Nodes;

namespace Accelerated.Lab.Front;

/// <summary>What the kernel says about a node, for the picture.</summary>
/// <param name="Node">The node.</param>
/// <param name="Subnet">Its subnet.</param>
/// <param name="UnderlayMac">MAC of <c>eth0</c>.</param>
/// <param name="Overlay">Name of its vxlan device; null if it has none.</param>
/// <param name="OverlayMac">MAC of that device.</param>
/// <param name="OverlayAddress">Address of that device, with its length.</param>
/// <param name="PodMacs">MAC of each container's <c>eth0</c>.</param>
internal sealed record NodeFacts(
    LabNode Node, IPNetwork Subnet, string UnderlayMac, string? Overlay, string OverlayMac, string OverlayAddress, IReadOnlyList<string> PodMacs)
{
    /// <summary>Asks iproute2.</summary>
    public static async Task<NodeFacts> GatherAsync(LabNode node)
    {
        var links = await node.IpAsync("address", "show");
        var eth0 = links.Single(l => (string?)l["ifname"] == "eth0");
        var overlay = links.FirstOrDefault(l => (string?)l["linkinfo"]?["info_kind"] == "vxlan");
        var podMacs = new List<string>();
        foreach (var pod in node.Pods)
            podMacs.Add(Mac((await pod.IpAsync("link", "show", "dev", "eth0")).Single()));
        return new NodeFacts(
            node, node.Subnet().Subnet, Mac(eth0), (string?)overlay?["ifname"],
            overlay is null ? "" : Mac(overlay), overlay is null ? "" : Address(overlay), podMacs);
    }

    private static string Mac(JsonObject link) => (string?)link["address"] ?? "";

    private static string Address(JsonObject link)
    {
        var inet = link["addr_info"]?.AsArray().FirstOrDefault(a => (string?)a?["family"] == "inet");
        return inet is null ? "" : $"{inet["local"]}/{inet["prefixlen"]}";
    }
}
