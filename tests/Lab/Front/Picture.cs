using System.Text;

namespace Accelerated.Lab.Front;

/// <summary>Draws hosts, containers and the wire between them in text, with the names and addresses of this run.</summary>
internal static class Picture
{
    /// <summary>More nodes than this are listed, not drawn.</summary>
    public const int MostNodes = 4;

    private const int Columns = 2;
    private const int BoxWidth = 38;
    private const int Inner = BoxWidth - 4;
    private const int MostPods = 4;
    private const int WireColumn = 30;
    private const string Gap = "  ";

    /// <summary>The picture, line by line; a list if there are too many nodes.</summary>
    /// <param name="nodes">At least one.</param>
    /// <param name="etcd">Where etcd is.</param>
    /// <param name="link">How the nodes are joined.</param>
    public static IEnumerable<string> Draw(IReadOnlyList<NodeFacts> nodes, string etcd, LabLink link) =>
        nodes.Count > MostNodes ? List(nodes) : Boxes(nodes, etcd, link);

    /// <summary>A number and a noun, in the plural if need be.</summary>
    public static string Count(int number, string noun) => number == 1 ? $"1 {noun}" : $"{number} {noun}s";

    private static IEnumerable<string> List(IReadOnlyList<NodeFacts> nodes)
    {
        foreach (var facts in nodes)
        {
            yield return $"{facts.Node.Namespace,-12} eth0 {facts.Node.Address,-12} {facts.Overlay ?? "no overlay device",-10} {facts.OverlayMac,-18}"
                + $" subnet {facts.Subnet,-16} {Count(facts.Node.Pods.Count, "container")}";
        }
    }

    private static IEnumerable<string> Boxes(IReadOnlyList<NodeFacts> nodes, string etcd, LabLink link)
    {
        var layout = nodes[0].Node.Layout;
        var rows = nodes.Select((facts, index) => Box(facts, wireAbove: index >= Columns)).Chunk(Columns).ToList();
        foreach (var line in Beside(rows[0]))
            yield return line;

        var wire = link == LabLink.Direct ? " one veth pair, 192.0.2.0/24 " : $" {layout.SwitchNamespace} · 192.0.2.0/24 · etcd {etcd} ";
        yield return Wires(rows[0].Length);
        yield return Centred(wire, (BoxWidth * Columns) + Gap.Length);
        if (rows.Count > 1)
        {
            yield return Wires(rows[1].Length);
            foreach (var line in Beside(rows[1]))
                yield return line;
        }
        if (link == LabLink.Direct)
            yield return $"  (etcd {etcd}, reached by eth1 through {layout.SwitchNamespace})";
    }

    private static List<string> Box(NodeFacts facts, bool wireAbove)
    {
        var node = facts.Node;
        var (top, bottom) = ($"┌─ {node.Namespace} {new string('─', BoxWidth - 5 - node.Namespace.Length)}┐", $"└{new string('─', BoxWidth - 2)}┘");
        var lines = new List<string> { wireAbove ? Put('┴', top) : top };
        void Add(string text) => lines.Add($"│ {(text.Length > Inner ? text[..Inner] : text).PadRight(Inner)} │");

        foreach (var (pod, mac) in node.Pods.Zip(facts.PodMacs).Take(MostPods))
        {
            Add($"┌ {pod.Namespace} {new string('─', Inner - 4 - pod.Namespace.Length)}┐");
            Add($"│ {$"eth0 {pod.Address}".PadRight(Inner - 4)} │");
            Add($"│ {$"     {mac}".PadRight(Inner - 4)} │");
            Add($"└───────{(pod.Number == Math.Min(node.Pods.Count, MostPods) ? '┬' : '─')}{new string('─', Inner - 10)}┘");
        }
        if (node.Pods.Count > MostPods)
            Add($"        │ and {Count(node.Pods.Count - MostPods, "more container")}");
        Add($"cni0 {(node.Pods.Count > 0 ? "───┘" : "    ")}  {node.Subnet().Gateway}/{facts.Subnet.PrefixLength}");
        Add("   │ routing");
        if (facts.Overlay is not null)
        {
            Add($"{facts.Overlay,-10} {facts.OverlayAddress}");
            Add($"           {facts.OverlayMac}");
            Add("   │ encapsulation");
        }
        Add($"{"eth0",-10} {node.Address}/{LabLayout.UnderlayPrefixLength}");
        Add($"           {facts.UnderlayMac}");
        lines.Add(wireAbove ? bottom : Put('┬', bottom));
        return lines;
    }

    private static string Put(char sign, string border) => $"{border[..WireColumn]}{sign}{border[(WireColumn + 1)..]}";

    private static IEnumerable<string> Beside(IReadOnlyList<List<string>> boxes)
    {
        var height = boxes.Max(b => b.Count);
        for (var at = 0; at < height; at++)
        {
            var line = new StringBuilder();
            foreach (var box in boxes)
                line.Append(line.Length > 0 ? Gap : "").Append(at < box.Count ? box[at] : new string(' ', BoxWidth));
            yield return line.ToString();
        }
    }

    private static string Wires(int count) =>
        string.Join(Gap, Enumerable.Repeat(Put('│', new string(' ', BoxWidth)), count)).TrimEnd();

    private static string Centred(string text, int width)
    {
        var rest = Math.Max(0, width - text.Length);
        return new string('═', rest / 2) + text + new string('═', rest - (rest / 2));
    }
}
