using Accelerated.Lab;

namespace Accelerated.System.Tests.Agent;

/// <summary>A process that looks like flanneld from outside: a real program under that name, with flannel's arguments, that only waits.</summary>
internal static class FlannelDaemon
{
    /// <summary>Starts it and waits until it has its name.</summary>
    /// <param name="lab">Where its file is kept.</param>
    /// <param name="host">Whose namespace it runs in.</param>
    /// <param name="environment">A variable for it, <c>NAME=value</c>, or empty.</param>
    /// <param name="flags">flannel's flags.</param>
    public static async Task<BackgroundCommand> StartAsync(NetworkLab lab, LabHost host, string environment, params string[] flags)
    {
        var path = $"{lab.Layout.RunDirectory}/flanneld";
        if (!File.Exists(path))
            File.Copy("/usr/bin/tail", path);
        string[] variable = environment.Length == 0 ? [] : ["env", environment];
        // Flags are files to tail, which it does not find; it goes on following the first.
        var daemon = host.Start([.. variable, path, "-f", "/dev/null", "--", .. flags]);
        await daemon.WaitAsync("its name", () => File.ReadAllText($"/proc/{daemon.ProcessId}/comm") == "flanneld\n", cancel: TestContext.Current.CancellationToken);
        return daemon;
    }
}
