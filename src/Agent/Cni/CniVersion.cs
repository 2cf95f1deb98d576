namespace Accelerated.Agent.Cni;

/// <summary>Versions of the CNI specification.</summary>
internal static class CniVersion
{
    /// <summary>What a configuration without <c>cniVersion</c> is of.</summary>
    public const string Unnamed = "0.1.0";

    /// <summary>Since it there is CHECK.</summary>
    public const string WithCheck = "0.4.0";

    /// <summary>Since it there are GC and STATUS.</summary>
    public const string WithCollection = "1.1.0";

    /// <summary>All that the plugin speaks; results are the delegate's, so it is the delegate that may speak fewer.</summary>
    public static IReadOnlyList<string> Supported { get; } = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

    /// <summary>The newest of them.</summary>
    public static string Newest => Supported[^1];

    /// <summary>Whether one of the supported versions is another or newer.</summary>
    public static bool IsAtLeast(string version, string wanted) => Index(version) >= Index(wanted);

    /// <summary>Checks that a configuration's version allows a command.</summary>
    /// <exception cref="CniException">It does not.</exception>
    public static void Check(string version, string command)
    {
        if (Index(version) < 0)
        {
            throw new CniException(
                CniException.IncompatibleVersion, "incompatible CNI versions", $"the configuration is of version \"{version}\", the plugin speaks {string.Join(", ", Supported)}");
        }

        var since = command switch { "CHECK" => WithCheck, "GC" or "STATUS" => WithCollection, _ => Unnamed };
        if (!IsAtLeast(version, since))
        {
            throw new CniException(
                CniException.IncompatibleVersion, $"config version does not allow {command}", $"it needs \"cniVersion\": \"{since}\", the configuration is of \"{version}\"");
        }
    }

    private static int Index(string version)
    {
        for (var i = 0; i < Supported.Count; i++)
        {
            if (Supported[i] == version)
                return i;
        }

        return -1;
    }
}
