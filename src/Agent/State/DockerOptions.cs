using System.Text;
using System.Text.RegularExpressions;

namespace Accelerated.Agent.State;

/// <summary>
/// Docker's options out of <c>subnet.env</c>, as flannel's <c>mk-docker-opts.sh</c> makes them: same names, same order, same quotes.
/// </summary>
/// <param name="Options">Each on its own: <c>DOCKER_OPT_BIP</c> → <c>--bip=10.5.60.1/24</c>, in the order of their names.</param>
public sealed partial record DockerOptions(IReadOnlyList<KeyValuePair<string, string>> Options)
{
    private const string Prefix = "DOCKER_OPT_";

    /// <summary>Reads the file's text.</summary>
    /// <param name="text">Settings in flannel's form, or in the form that this file itself has when it was written over subnet.env.</param>
    /// <param name="masquerade">Whether to say <c>--ip-masq</c>.</param>
    /// <exception cref="FormatException">There is no subnet in it, or a value cannot be used; the message names the key.</exception>
    public static DockerOptions Parse(string text, bool masquerade)
    {
        var settings = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (Match match in Setting().Matches(text).Where(m => m.Groups[3].Length > 0))
            settings[match.Groups[1].Value] = match.Groups[3].Value;
        var options = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var (key, value) in settings.Where(s => s.Key.StartsWith(Prefix, StringComparison.Ordinal)))
            options[key] = value;
        if (settings.TryGetValue("FLANNEL_SUBNET", out var subnet))
            options[Prefix + "BIP"] = $"--bip={subnet}";
        if (settings.TryGetValue("FLANNEL_MTU", out var mtu))
            options[Prefix + "MTU"] = $"--mtu={mtu}";
        // Who masquerades is one of the two: the agent, or Docker.
        if (settings.TryGetValue("FLANNEL_IPMASQ", out var flannelMasquerades))
        {
            options[Prefix + "IPMASQ"] = flannelMasquerades switch
            {
                "true" => "--ip-masq=false",
                "false" => "--ip-masq=true",
                _ => throw new FormatException($"FLANNEL_IPMASQ={flannelMasquerades} is neither true nor false"),
            };
        }

        if (!masquerade)
            options.Remove(Prefix + "IPMASQ");
        return options.ContainsKey(Prefix + "BIP")
            ? new DockerOptions([.. options])
            : throw new FormatException("it has no FLANNEL_SUBNET: with no --bip Docker would take a subnet of its own");
    }

    /// <summary>The text of the file for Docker's unit.</summary>
    /// <param name="individual">One variable for each option.</param>
    /// <param name="combinedKey">Name of the variable with all of them, or null for none.</param>
    /// <param name="before">What that variable has already: stands before the options.</param>
    public string ToFileText(bool individual, string? combinedKey, string? before = null)
    {
        var text = new StringBuilder();
        foreach (var (key, value) in individual ? Options : [])
            text.Append(key).Append("=\"").Append(value).Append("\"\n");
        if (combinedKey is not null)
        {
            text.Append(combinedKey).Append("=\"").Append(string.IsNullOrEmpty(before) ? "" : before + " ");
            foreach (var (_, value) in Options)
                text.Append(' ').Append(value);
            text.Append("\"\n");
        }

        return text.ToString();
    }

    // KEY=value, KEY="value" or KEY='value', as a shell reads it; comments and other text do not count.
    [GeneratedRegex("""^[ \t]*(?:export[ \t]+)?([A-Z][A-Z0-9_]*)=(["']?)([^"'\s][^"'\n]*?)?\2[ \t\r]*$""", RegexOptions.Multiline | RegexOptions.CultureInvariant)]
    private static partial Regex Setting();
}
