namespace Accelerated.Agent.Cni;

/// <summary>What the runtime says in the environment (CNI specification 1.1, "Parameters").</summary>
/// <param name="Command"><c>ADD</c>, <c>DEL</c>, <c>CHECK</c>, <c>STATUS</c>, <c>GC</c> or <c>VERSION</c>.</param>
/// <param name="ContainerId">The container; empty where the command is not about one.</param>
/// <param name="NetworkNamespace">Path of its network namespace; may be empty for DEL.</param>
/// <param name="InterfaceName">Its interface; empty where the command is not about one.</param>
/// <param name="Path">Folders with plugins, separated by colons.</param>
public sealed record CniRequest(string Command, string ContainerId, string NetworkNamespace, string InterfaceName, string Path)
{
    private const int LongestInterfaceName = 15;

    /// <summary>Reads and checks it.</summary>
    /// <param name="variable">Gives a variable, or null.</param>
    /// <exception cref="CniException">Something is missing or wrong.</exception>
    public static CniRequest Read(Func<string, string?> variable)
    {
        ArgumentNullException.ThrowIfNull(variable);
        var request = new CniRequest(Get("CNI_COMMAND"), Get("CNI_CONTAINERID"), Get("CNI_NETNS"), Get("CNI_IFNAME"), Get("CNI_PATH"));
        string[] needed = request.Command switch
        {
            "ADD" or "CHECK" => ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"],
            "DEL" => ["CNI_CONTAINERID", "CNI_IFNAME", "CNI_PATH"],
            "GC" or "STATUS" => ["CNI_PATH"],
            "VERSION" => [],
            _ => throw new CniException(CniException.InvalidEnvironment, $"unknown CNI_COMMAND: {request.Command}", "the commands are ADD, DEL, CHECK, STATUS, GC and VERSION"),
        };
        var missing = needed.Where(n => Get(n).Length == 0).ToList();
        if (missing.Count > 0)
            throw new CniException(CniException.InvalidEnvironment, $"required env variables [{string.Join(",", missing)}] missing", "a container runtime sets them");
        // They become names of files.
        if (request.ContainerId.Length > 0 && !IsIdentifier(request.ContainerId))
            throw new CniException(CniException.InvalidEnvironment, "invalid characters in CNI_CONTAINERID", $"\"{request.ContainerId}\": a letter or digit, then letters, digits, '_', '.' and '-'");
        if (request.InterfaceName.Length > 0 && !IsInterfaceName(request.InterfaceName))
            throw new CniException(CniException.InvalidEnvironment, "invalid CNI_IFNAME", $"\"{request.InterfaceName}\" is no name that Linux gives an interface");
        return request;

        string Get(string name) => variable(name) ?? "";
    }

    /// <summary>Whether a text may name a container or a network.</summary>
    internal static bool IsIdentifier(string text)
    {
        foreach (var c in text)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('_' or '.' or '-'))
                return false;
        }

        return text.Length > 0 && char.IsAsciiLetterOrDigit(text[0]);
    }

    private static bool IsInterfaceName(string text)
    {
        foreach (var c in text)
        {
            if (c is '/' or ':' || char.IsWhiteSpace(c))
                return false;
        }

        return text.Length <= LongestInterfaceName && text is not ("." or "..");
    }
}
