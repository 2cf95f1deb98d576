using Accelerated.Lab;

namespace Accelerated.System.Tests.Lab;

/// <summary>
/// The agent behind a script that first changes what it sees of the machine, in a mount namespace of its own, or what it may do.
/// Given to a lab as its binary.
/// </summary>
internal sealed class WrappedAgent : IDisposable
{
    private const string Hidden = "for lib in $(ldconfig -p | sed -n \"s|.*LIBRARY.* => ||p\"); do mount --bind /dev/null \"$lib\"; done";

    private readonly string _folder = Directory.CreateTempSubdirectory("accelerated-test-").FullName;

    /// <summary>Writes the script.</summary>
    /// <param name="before">Shell commands, as root, without single quotes.</param>
    /// <param name="launcher">A program that starts the agent, with its arguments.</param>
    public WrappedAgent(string before = "true", string launcher = "")
    {
        File.WriteAllText(Path, $$"""
            #!/bin/sh
            exec unshare --mount sh -ec '
                {{before}}
                exec {{launcher}} {{LabTools.Agent(null)}} "$@"' sh "$@"
            """);
        File.SetUnixFileMode(Path, UnixFileMode.UserRead | UnixFileMode.UserExecute);
    }

    /// <summary>The script.</summary>
    public string Path => global::System.IO.Path.Combine(_folder, "accelerated");

    /// <summary>An agent that finds an empty file where a library is.</summary>
    public static WrappedAgent WithoutLibrary(string name) => new(Hidden.Replace("LIBRARY", name));

    /// <summary>An agent of user root with these capabilities only, as capabilities(7) numbers or names without CAP_.</summary>
    public static WrappedAgent With(params string[] capabilities) =>
        new(launcher: $"setpriv --bounding-set=-all,{string.Join(',', capabilities.Select(c => $"+{c}"))}");

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
